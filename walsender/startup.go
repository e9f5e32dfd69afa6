// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
)

// errProbe ends a connection on which there is nothing to say: a cancel request, or a client that only looked.
var errProbe = errors.New("no session")

// maxName is the length that names of roles and databases are cut to, NAMEDATALEN - 1.
const maxName = 63

// maxCommand is the longest message that a client may send, in bytes.
const maxCommand = 1 << 20

// start takes a connection up to the point where commands may come (BackendInitialize of postmaster.c or
// backend_startup.c, and InitPostgres).
func (c *session) start() error {
	startup, err := c.negotiate()
	if err != nil {
		return err
	}
	if err := c.takeStartup(startup); err != nil {
		return err
	}
	switch {
	case c.tooMany:
		return fatalf(codeTooManyConnections, "sorry, too many clients already")
	case c.server.isStopping():
		return fatalf(codeCannotConnectNow, "the database system is shutting down")
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	c.backend.Framer().SetMaxMessage(maxCommand)
	return c.welcome()
}

// negotiate answers requests for encryption, each of which may come once, until the startup packet comes
// (ProcessStartupPacket).
func (c *session) negotiate() (*protocol.Startup, error) {
	var askedTLS, askedGSS bool
	for {
		packet, err := c.backend.ReceiveStartup()
		if err != nil && !askedTLS && !askedGSS && c.beginsTLS() {
			askedTLS = true
			if err := c.directTLS(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil && !errors.Is(err, protocol.ErrStartupLayout) {
			return nil, c.startupError(err)
		}
		switch packet := packet.(type) {
		case *protocol.Startup:
			return packet, checkVersion(packet.Version, err)
		case *protocol.CancelRequest:
			c.server.cancelCommand(packet)
			return nil, errProbe
		case protocol.SSLRequest:
			if askedTLS {
				return nil, unsupportedVersion(1234<<16 | 5679)
			}
			askedTLS = true
			if err := c.answerTLS(); err != nil {
				return nil, err
			}
		case protocol.GSSEncRequest:
			if askedGSS {
				return nil, unsupportedVersion(1234<<16 | 5680)
			}
			askedGSS = true
			if _, err := c.write([]byte{'N'}); err != nil {
				return nil, err
			}
		}
	}
}

// startupError: of a connection that ends before it said anything nobody needs to hear.
func (c *session) startupError(err error) error {
	if err == io.EOF {
		return errProbe
	}
	if errors.Is(err, protocol.ErrProtocol) {
		return &connError{err} // not a client of PostgreSQL: it would not understand
	}
	return c.readError(err)
}

// checkVersion refuses what is not protocol 3, and a packet of it that is malformed.
func checkVersion(v protocol.ProtocolVersion, layout error) error {
	if v.Major() != protocol.Protocol30.Major() {
		return unsupportedVersion(v)
	}
	if layout != nil {
		return fatalf(codeProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
	}
	return nil
}

func unsupportedVersion(v protocol.ProtocolVersion) error {
	return fatalf(codeFeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to %d.%d",
		v.Major(), v.Minor(), protocol.Protocol32.Major(), protocol.Protocol32.Minor())
}

// takeStartup takes the parameters of the startup packet.
func (c *session) takeStartup(startup *protocol.Startup) error {
	c.version = min(startup.Version, c.server.newestProtocol())
	if startup.Version > c.version || len(startup.Options) > 0 {
		c.out = protocol.AppendNegotiateVersion(c.out, c.version, startup.Options)
	}
	for _, p := range startup.Parameters {
		if err := c.takeParameter(p.Name, p.Value); err != nil {
			return err
		}
	}
	if c.user == "" {
		return fatalf(codeInvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if c.database == "" {
		c.database = c.user
	}
	c.user, c.database = c.user[:min(len(c.user), maxName)], c.database[:min(len(c.database), maxName)]
	if c.replication == physical {
		c.database = ""
	}
	return nil
}

// newestProtocol is the newest version that the server whose log this is speaks.
func (s *Server) newestProtocol() protocol.ProtocolVersion {
	if v := s.dialect.Major(); v != 0 && v < 18 {
		return protocol.Protocol30
	}
	return protocol.Protocol32
}

func (c *session) takeParameter(name, value string) (err error) {
	switch name {
	case "user":
		c.user = value
	case "database":
		c.database = value
	case "replication":
		c.replication, err = parseReplication(value)
	case "options":
		err = c.takeOptions(value)
	default:
		err = c.setAtStart(name, value)
	}
	return err
}

// parseReplication reads the parameter replication: a boolean, or "database".
func parseReplication(value string) (replicationMode, error) {
	if value == "database" {
		return forDatabase, nil
	}
	on, ok := parseBool(value)
	switch {
	case !ok:
		e := fatalf(codeInvalidParameterValue, "invalid value for parameter \"replication\": %q", value)
		e.Hint = `Valid values are: "false", 0, "true", 1, "database".`
		return 0, e
	case on:
		return physical, nil
	}
	return ordinary, nil
}

// welcome says that the client is in: settings, and what a cancel request needs.
func (c *session) welcome() error {
	if err := c.put(&pgproto3.AuthenticationOk{}); err != nil {
		return err
	}
	for _, name := range c.server.reportedSettings() {
		value, _ := c.setting(name)
		if err := c.putSetting(name, value); err != nil {
			return err
		}
	}
	key := make([]byte, 4)
	if c.version >= protocol.Protocol32 {
		key = make([]byte, 32)
	}
	rand.Read(key)
	c.mu.Lock()
	c.key = key
	c.mu.Unlock()
	c.out = protocol.AppendBackendKeyData(c.out, c.pid, key)
	return nil
}

// cancelCommand cancels the command that a session runs, if the key is the session's.
func (s *Server) cancelCommand(req *protocol.CancelRequest) {
	s.mu.Lock()
	c := s.sessions[req.ProcessID]
	s.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.key) > 0 && subtle.ConstantTimeCompare(c.key, req.SecretKey) == 1 && c.cancelCmd != nil {
		c.cancelCmd(errQueryCanceled)
	}
}
