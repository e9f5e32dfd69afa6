// SPDX-License-Identifier: Apache-2.0

package protocoltest

import (
	"bytes"
	"fmt"
	"io"

	"github.com/walmirror/walmirror/protocol"
)

// Recording is what a server sent on one connection, cut into its answers: the first is the one to the startup packet,
// each further one is that to a command and ends with ReadyForQuery.
type Recording struct {
	Answers [][]Message
}

// Message is one message of a Recording.
type Message struct {
	Type byte
	Body []byte
}

// ParseRecording cuts the bytes that a server sent into messages.
func ParseRecording(b []byte) (Recording, error) {
	var rec Recording
	var answer []Message
	f := protocol.NewFramer(bytes.NewReader(b), len(b))
	for {
		typ, body, err := f.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return rec, fmt.Errorf("message %d of answer %d: %w", len(answer), len(rec.Answers), err)
		}
		answer = append(answer, Message{typ, bytes.Clone(body)})
		if typ == 'Z' {
			rec.Answers = append(rec.Answers, answer)
			answer = nil
		}
	}
	if answer != nil {
		rec.Answers = append(rec.Answers, answer)
	}
	return rec, nil
}

// Replay plays a recording to one client. Copy, where it is not nil, is called after each message that begins a COPY,
// to send the CopyData that was left out of the recording; n counts those messages. For a CopyBothResponse the rest of
// the answer follows when the client has ended its side, unless the recording goes on with an error.
func (s *Session) Replay(rec Recording, copyData func(s *Session, n int)) {
	s.t.Helper()
	_, err := s.Backend.ReceiveStartup()
	s.check(err, "startup")
	s.Backend.SetPhase(protocol.PhaseCommand)
	copies := 0
	for i, answer := range rec.Answers {
		if i > 0 {
			s.Query()
		}
		for j, m := range answer {
			s.message(m)
			if m.Type != 'W' && m.Type != 'H' {
				continue
			}
			if copyData != nil {
				copyData(s, copies)
			}
			copies++
			if m.Type == 'W' && j+1 < len(answer) && answer[j+1].Type == 'c' {
				s.untilCopyDone(answer[j+1:])
			}
		}
	}
	s.Query()
	s.fail("a command after the end of the recording")
}

// message sends a message as it was recorded.
func (s *Session) message(m Message) {
	s.t.Helper()
	s.check(protocol.NewFrameWriter(s.Conn).Write(m.Type, m.Body, nil), "sending a recorded message")
}

// untilCopyDone waits for the client to end the stream, unless the server did so first: a result with the next timeline
// tells.
func (s *Session) untilCopyDone(rest []Message) {
	s.t.Helper()
	if len(rest) > 1 && rest[1].Type == 'T' {
		return
	}
	for {
		if _, ok := s.Status(); !ok {
			return
		}
	}
}
