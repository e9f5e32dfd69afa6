// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// stream is a START_REPLICATION that runs. Two goroutines serve it:
//
//	session's   reads the log and sends it, and keepalives; decides when the stream ends
//	replies     reads what the client says, and notices when it says nothing for too long
//
// What both use has a lock of its own: the session's sender, the slot, and replies.
type stream struct {
	c      *session
	source Source
	slot   *heldSlot // nil: none
	tli    sentTimeline
	sent   xlog.LSN // the next byte to send

	chunk    int      // Config.ChunkSize
	walBlock xlog.LSN // size of a WAL page
	segments *segmentCache
	segment  *openSegment // that is read; nil: none
	out      walWriter

	replies      *replies
	doneSending  bool // CopyDone was sent
	pinged       bool // a reply was asked for, and the client has not said anything since
	shuttingDown bool // the server stops
}

// startReplication answers START_REPLICATION (StartReplication in walsender.c).
func (c *session) startReplication(ctx context.Context, cmd protocol.StartReplication) error {
	s, err := c.newStream(cmd)
	if err != nil {
		return err
	}
	if !s.tli.historic || s.sent < s.tli.end {
		err = s.run(ctx)
	}
	if s.slot != nil {
		s.slot.release()
	}
	if err != nil {
		return err
	}
	if s.tli.historic {
		if err := c.sendNextTimeline(s.tli); err != nil {
			return err
		}
	}
	return c.complete("START_STREAMING") // one of two: the dispatch sends the other
}

// newStream takes the slot and chooses the timeline.
func (c *session) newStream(cmd protocol.StartReplication) (_ *stream, err error) {
	server := c.server
	s := &stream{
		c: c, source: server.cfg.Source, sent: cmd.Start, chunk: server.cfg.ChunkSize, segments: server.segments,
		walBlock: xlog.LSN(server.blockSize()), replies: newReplies(),
	}
	if cmd.Slot != "" {
		if s.slot, err = server.cfg.Slots.acquire(cmd.Slot, c); err != nil {
			return nil, err
		}
	}
	s.tli, err = chooseTimeline(cmd.Timeline, cmd.Start, s.source.Position())
	if err != nil && s.slot != nil {
		s.slot.release()
	}
	return s, err
}

// run streams from CopyBothResponse on until both sides have said CopyDone.
func (s *stream) run(ctx context.Context) error {
	if err := s.c.beginStream(); err != nil {
		return err
	}
	defer s.c.endStream()
	s.c.sender.begin(s.sent, s.slotName())
	defer s.c.server.progressed(s.c)
	defer s.c.sender.setState(StateStartup)
	if err := s.enterCopy(); err != nil {
		return err
	}
	// From here on only the goroutine of replies says when the client is gone.
	if s.c.tcp.SetWriteDeadline(time.Time{}); s.c.ctx.Err() != nil {
		return context.Cause(s.c.ctx)
	}
	s.out = newWALWriter(s.c)
	defer s.closeSegment()
	reading := make(chan struct{})
	go s.readReplies(reading)
	err := s.loop(ctx)
	s.endReplies(reading)
	return s.cause(err)
}

func (s *stream) slotName() string {
	if s.slot == nil {
		return ""
	}
	return s.slot.slot.name
}

// cause is why the stream ended: when the connection is broken, what the reading side saw of it says more.
func (s *stream) cause(err error) error {
	_, broken := errors.AsType[*connError](err)
	if _, _, _, first := s.replies.take(); broken && first != nil {
		return first
	}
	return err
}

// enterCopy begins the COPY, and refuses a start that is ahead of the log, which PostgreSQL does only then.
func (s *stream) enterCopy() error {
	if err := s.c.put(&pgproto3.CopyBothResponse{}); err != nil {
		return err
	}
	if err := s.c.flush(); err != nil {
		return err
	}
	if flush := s.source.Position().Flush; flush < s.sent {
		return errorf(codeInternalError,
			"requested starting point %s is ahead of the WAL flush position of this server %s", s.sent, flush)
	}
	return nil
}

// loop is WalSndLoop.
func (s *stream) loop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		changed := s.source.Changed()
		caughtUp, err := s.sendSome()
		if err == nil {
			err = s.answer()
		}
		if err != nil {
			return err
		}
		if s.doneSending && s.replies.isDone() {
			return nil
		}
		if !caughtUp {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			continue
		}
		if err := s.caughtUp(); err != nil {
			return err
		}
		if err := s.wait(ctx, changed, timer); err != nil {
			return err
		}
	}
}

// wait sleeps until there is something to do: more of the log, something from the client, the time for a keepalive.
func (s *stream) wait(ctx context.Context, changed <-chan struct{}, timer *time.Timer) error {
	if s.doneSending {
		changed = nil
	}
	stopping := s.c.server.stopping
	if s.shuttingDown {
		stopping = nil
	}
	timer.Reset(s.untilPing())
	select {
	case <-changed:
	case <-stopping:
	case <-s.replies.wake:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// answer does what the client's messages ask for, and what the time does.
func (s *stream) answer() error {
	pong, done, heard, err := s.replies.take()
	switch {
	case err != nil:
		return err
	case done:
		return s.finishSending()
	}
	if heard {
		s.pinged = false
	}
	if pong {
		return s.keepalive(false)
	}
	if s.untilPing() <= 0 {
		return s.keepalive(true)
	}
	return nil
}

// untilPing is the time until the client is asked for a reply: at half the time after which it is taken for gone.
func (s *stream) untilPing() time.Duration {
	timeout := s.c.server.cfg.SenderTimeout
	if timeout <= 0 || s.pinged {
		return time.Hour
	}
	return time.Until(s.replies.last().Add(timeout / 2))
}

// keepalive sends a keepalive (WalSndKeepalive).
func (s *stream) keepalive(requestReply bool) error {
	m := protocol.Keepalive{End: s.sent, SendTime: time.Now(), ReplyRequested: requestReply}
	s.pinged = s.pinged || requestReply
	if s.doneSending {
		return nil
	}
	return s.put(&pgproto3.CopyData{Data: m.Append(nil)})
}

// finishSending ends our side of the COPY.
func (s *stream) finishSending() error {
	if s.doneSending {
		return nil
	}
	s.doneSending = true
	return s.put(&pgproto3.CopyDone{})
}

// put sends a message.
func (s *stream) put(msg pgproto3.BackendMessage) error {
	if err := s.c.put(msg); err != nil {
		return err
	}
	out := s.c.out
	s.c.out = out[:0]
	return s.c.writeStream(out)
}

// caughtUp is called when all there is has been sent.
func (s *stream) caughtUp() error {
	w := &s.c.sender
	if s.c.server.isStopping() {
		return s.sayGoodbye()
	}
	if w.catchUp() {
		s.c.server.progressed(s.c)
	}
	return nil
}

// catchUp goes from catchup to streaming.
func (w *sender) catchUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stat.State != StateCatchup {
		return false
	}
	w.stat.State = StateStreaming
	return true
}

// sayGoodbye ends the session once the client has everything, and asks whether it has (WalSndDone).
func (s *stream) sayGoodbye() error {
	if !s.shuttingDown {
		s.shuttingDown = true
		s.c.sender.setState(StateStopping)
	}
	if s.c.sender.confirmed() >= s.sent {
		if err := s.c.complete("COPY 0"); err != nil {
			return err
		}
		return errors.Join(s.c.flush(), io.EOF)
	}
	if s.pinged {
		return nil
	}
	return s.keepalive(true)
}

// clock is the time by which lags are measured: it does not jump when somebody sets the machine's clock.
func (s *stream) clock() int64 { return int64(time.Since(s.c.started)) + 1 }
