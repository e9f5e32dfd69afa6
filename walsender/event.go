// SPDX-License-Identifier: Apache-2.0

package walsender

import "net"

// EventKind says what an Event is about.
type EventKind uint8

// Kinds of Event.
const (
	EventConnected    EventKind = iota + 1 // a client is authenticated
	EventDisconnected                      // its session has ended; Err says why, nil when the client said goodbye
	EventRefused                           // a client did not get as far as a session; Err says why
	EventCommand                           // a replication command begins; Text is the command
	EventFailed                            // a command failed with Err
	EventPanic                             // a session ended by a panic: a bug; Text is the stack
	EventAccept                            // a listener failed with Err, and is tried again
	EventInvalidated                       // a slot lost the log that it needed; Text is its name
)

func (k EventKind) String() string {
	names := [...]string{"", "connected", "disconnected", "refused", "command", "failed", "panic", "accept", "invalidated"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Event is something worth a line in a log. It never contains a password, a verifier or a key.
type Event struct {
	Kind            EventKind
	PID             uint32 // of the session
	Remote          net.Addr
	User            string
	Database        string
	ApplicationName string
	Text            string
	Err             error
}

// event reports an event of the session.
func (c *session) event(kind EventKind, text string, err error) {
	c.server.event(Event{
		Kind: kind, PID: c.pid, Remote: c.tcp.RemoteAddr(), User: c.user, Database: c.database,
		ApplicationName: c.settings["application_name"], Text: text, Err: err,
	})
}

func (s *Server) event(e Event) {
	if s.cfg.OnEvent != nil {
		s.cfg.OnEvent(e)
	}
}
