// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/jackc/pgproto3/v2"
)

// Phase says how far a conversation is. It decides how large a message may be.
type Phase uint8

// Phases.
const (
	PhaseAuth    Phase = iota // before the client is authenticated: it is not trusted with memory
	PhaseCommand              // commands and their results
	PhaseCopy                 // a COPY
)

// Limits of a message's body.
const (
	maxAuthMessage    = 64 << 10 // PG_MAX_AUTH_TOKEN_LENGTH
	maxCommandMessage = 16 << 20 // for example the history file of a timeline
	maxCopyMessage    = 4 << 20  // WAL comes in pieces of 16 WAL blocks, at most 1 MiB
)

// MaxMessage is the limit of a message's body in bytes.
func (p Phase) MaxMessage() int {
	switch p {
	case PhaseAuth:
		return maxAuthMessage
	case PhaseCopy:
		return maxCopyMessage
	}
	return maxCommandMessage
}

// Backend is the server's side of startup, authentication and commands: pgproto3's messages, read through a Framer. It
// refuses bodies on which pgproto3's decoders panic, and sizes beyond the phase. One goroutine uses it. A message is
// valid until the next one is received.
type Backend struct {
	framer *Framer
	pg     *pgproto3.Backend
	guard  *guard
}

// NewBackend talks to a client that has just connected.
func NewBackend(rw io.ReadWriter) *Backend {
	framer := NewFramer(rw, PhaseAuth.MaxMessage())
	framer.first = minServerBuffer
	guard := &guard{framer: framer}
	return &Backend{framer: framer, guard: guard, pg: pgproto3.NewBackend(guard, rw)}
}

// Framer reads the same connection, for the stream after CopyBothResponse.
func (b *Backend) Framer() *Framer { return b.framer }

// SetPhase sets the limit for the messages that follow. It begins as PhaseAuth.
func (b *Backend) SetPhase(p Phase) { b.framer.SetMaxMessage(p.MaxMessage()) }

// SetAuthType says which authentication request was sent, so that the answer is read accordingly: one of pgproto3's
// AuthType constants.
func (b *Backend) SetAuthType(t uint32) error {
	b.guard.auth = t
	return b.pg.SetAuthType(t)
}

// Send sends a message.
func (b *Backend) Send(msg pgproto3.BackendMessage) error { return b.pg.Send(msg) }

// ReceiveStartup reads the client's first packet. After the answer to a request for encryption it is called again. An
// error that wraps ErrStartupLayout comes with the Startup as far as it was read.
func (b *Backend) ReceiveStartup() (StartupPacket, error) {
	packet, err := b.framer.Startup()
	if err != nil {
		return nil, err
	}
	return parseStartup(packet)
}

// Receive reads the client's next message.
func (b *Backend) Receive() (pgproto3.FrontendMessage, error) { return b.pg.Receive() }

// guard lets pgproto3 read messages from a Framer: it is its ChunkReader. A message is there as a whole, and checked,
// before pgproto3 sees its header.
type guard struct {
	framer *Framer
	auth   uint32 // authentication request that a 'p' answers
	header [frameHeaderLen]byte
	body   []byte
	inBody bool // the header was taken
}

// Next returns a header and then its body, in turns, as pgproto3 asks for them.
func (g *guard) Next(n int) ([]byte, error) {
	if g.inBody {
		if n != len(g.body) {
			return nil, fmt.Errorf("%w: body of %d bytes read as %d", ErrProtocol, len(g.body), n)
		}
		g.inBody = false
		return g.body, nil
	}
	header, err := g.receive()
	if err == nil && n != len(header) {
		err = fmt.Errorf("%w: header of %d bytes read as %d", ErrProtocol, len(header), n)
	}
	if err != nil {
		return nil, err
	}
	g.inBody = true
	return header, nil
}

// receive reads a message and makes its header again.
func (g *guard) receive() (header []byte, err error) {
	header = g.header[:]
	header[0], g.body, err = g.framer.Next()
	if err == nil {
		err = g.check(header[0], g.body)
	}
	binary.BigEndian.PutUint32(header[1:], uint32(len(g.body)+4))
	return header, err
}

// check refuses messages that have no place on a replication connection, which does not know the extended query
// protocol, and bodies that pgproto3 would not survive.
func (g *guard) check(typ byte, body []byte) error {
	ok := true
	switch typ {
	case typeQuery, typeCopyFail:
		ok = isCString(body)
	case typePassword:
		ok = g.checkPassword(body)
	case typeCopyData, typeCopyDone, typeTerminate, typeSync, typeFlush:
	default:
		return unexpected(typ)
	}
	if !ok {
		return fmt.Errorf("%w: malformed message %q", ErrProtocol, typ)
	}
	return nil
}

// checkPassword checks the answer to an authentication request.
func (g *guard) checkPassword(body []byte) bool {
	switch g.auth {
	case pgproto3.AuthTypeSASL:
		return isSASLInitialResponse(body)
	case pgproto3.AuthTypeSASLContinue, pgproto3.AuthTypeSASLFinal, pgproto3.AuthTypeGSS, pgproto3.AuthTypeGSSCont:
		return true
	}
	return isCString(body)
}

func isSASLInitialResponse(body []byte) bool {
	_, _, ok := ParseSASLInitialResponse(body)
	return ok
}

// ParseSASLInitialResponse reads the body of a client's first answer to a SASL request: the mechanism's name, NUL, the
// length of the data or -1, and the data, which is nil for -1 and a part of body otherwise.
func ParseSASLInitialResponse(body []byte) (mechanism string, data []byte, ok bool) {
	nul := indexNUL(body)
	if nul < 0 || len(body) < nul+5 {
		return "", nil, false
	}
	n := int32(binary.BigEndian.Uint32(body[nul+1:]))
	data = body[nul+5:]
	if n == -1 && len(data) == 0 {
		return string(body[:nul]), nil, true
	}
	return string(body[:nul]), data, int(n) == len(data)
}
