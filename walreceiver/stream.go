// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// farewell limits what is waited for after a stream was ended from our side.
const farewell = 5 * time.Second

// stream is one START_REPLICATION. Its methods belong to Run's goroutine, and while the reader reads, to the reader's.
type stream struct {
	r       *Receiver
	conn    *Conn
	client  *protocol.Client
	replier *replier
	ended   chan error // why reading ended
	direct  *direct    // nil where all log passes through our memory
	asked   int64      // conn.wire.received when the server was last asked for a reply, -1 when it was not

	xlogData  protocol.XLogData // the message at hand
	keepalive protocol.Keepalive
}

// stream receives from r.pos until the timeline ends, which gives the next one, or until there is an error.
// serverEnd is where the server's log ended when it was asked.
func (r *Receiver) stream(ctx context.Context, conn *Conn, serverEnd xlog.LSN) (*protocol.NextTimeline, error) {
	interval, err := r.statusInterval(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := r.start(ctx, conn, serverEnd); err != nil {
		if end, ok := errors.AsType[*protocol.TimelineEnd](err); ok && end.Next != nil {
			return end.Next, nil
		}
		return nil, err
	}
	s := &stream{r: r, conn: conn, client: conn.client, ended: make(chan error, 1), asked: -1}
	s.replier = &replier{
		client: conn.client, track: r.track, interval: interval,
		applied: r.cfg.Applied, feedback: r.cfg.Feedback, failed: r.wake, feeding: true,
	}
	s.direct = newDirect(s)
	conn.SetTimeouts(r.cfg.ReceiveTimeout/2, r.cfg.ReceiveTimeout)
	return s.run(ctx)
}

// statusInterval keeps us well within the server's patience.
func (r *Receiver) statusInterval(ctx context.Context, conn *Conn) (time.Duration, error) {
	patience, err := conn.senderTimeout(ctx)
	if err != nil {
		return 0, err
	}
	if patience == 0 {
		return r.cfg.StatusInterval, nil
	}
	return max(min(r.cfg.StatusInterval, patience/3), time.Millisecond), nil
}

func (r *Receiver) start(ctx context.Context, conn *Conn, serverEnd xlog.LSN) error {
	release := conn.Bind(ctx)
	err := conn.client.StartCopyBoth(protocol.StartReplication{
		Slot: r.slot, Start: r.pos.LSN, Timeline: r.pos.Timeline,
	})
	if cause := release(); cause != nil {
		err = cause
	}
	if err != nil {
		err = fmt.Errorf("START_REPLICATION at %s on timeline %s: %w", r.pos.LSN, r.pos.Timeline, err)
		return classifyStream(err, r.slot != "")
	}
	r.track.started(r.pos, serverEnd, time.Now())
	r.emit(StreamStarted{Start: r.pos})
	r.setState(StateCatchup)
	r.noteCaughtUp(serverEnd)
	return nil
}

// run owns the replier's goroutine.
func (s *stream) run(ctx context.Context) (next *protocol.NextTimeline, err error) {
	s.replier.late = time.AfterFunc(time.Hour, s.replier.tellWrite)
	defer s.replier.end()
	replying, stopReplying := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.replier.run(replying)
	}()
	defer func() {
		stopReplying()
		if err != nil {
			s.conn.wire.interrupt() // it is over, and a message may be stuck
		}
		<-done
	}()

	err = s.receive(ctx)
	switch {
	case err == io.EOF:
		return s.endOfTimeline(ctx)
	case errors.Is(err, errStop):
		return nil, s.leave()
	}
	return nil, classifyStream(err, s.r.slot != "")
}

// receive lets the other goroutines and the end of ctx interrupt the reader.
func (s *stream) receive(ctx context.Context) error {
	s.r.setLive(s)
	s.replier.moved()
	stop := onDone(ctx, s.conn.wire.interruptReads)
	s.readOn(ctx)
	err := <-s.ended
	stop()
	s.r.setLive(nil)
	s.conn.wire.resume()
	return err
}

// read takes messages until the stream ends: io.EOF is the end of the timeline, errStop our wish.
func (rd *reader) read(ctx context.Context) error {
	for {
		if err := rd.goOn(ctx); err != nil {
			return err
		}
		payload, left, err := rd.nextCopy()
		if isTimeout(err) {
			if err := rd.silence(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := rd.message(ctx, payload, left); err != nil {
			return err
		}
	}
}

// goOn is nil while there is no reason to stop reading.
func (s *stream) goOn(ctx context.Context) error {
	if ctx.Err() != nil || s.r.stopReached(s.r.pos.LSN) {
		return errStop
	}
	return s.failure()
}

// insist calls a function that reads within a message, and after each timeout again.
func (s *stream) insist(ctx context.Context, read func() error) error {
	for {
		err := read()
		if !isTimeout(err) {
			return err
		}
		if err := s.silence(); err != nil {
			return err
		}
		if err := s.goOn(ctx); err != nil {
			return err
		}
	}
}

// failure is what happened in the other goroutines.
func (s *stream) failure() error {
	if err := s.r.flusher.failure(); err != nil {
		return err
	}
	if err := s.replier.failure(); err != nil {
		return fmt.Errorf("send status: %w", err)
	}
	return nil
}

// silence is called when a read timed out, which is after half of ReceiveTimeout, or was interrupted.
func (s *stream) silence() error {
	wire := s.conn.wire
	switch {
	case wire.readsOff.Load():
		wire.resume()
	case s.asked == wire.received:
		return fmt.Errorf("%w: nothing heard for %s", ErrTimeout, s.r.cfg.ReceiveTimeout)
	default:
		s.asked = wire.received
		s.replier.force(true)
	}
	return nil
}

// message takes a message, of which left bytes were not read.
func (rd *reader) message(ctx context.Context, payload []byte, left int) error {
	if len(payload) == 0 {
		return fmt.Errorf("%w: empty CopyData", protocol.ErrProtocol)
	}
	now := time.Now()
	switch payload[0] {
	case protocol.TagXLogData:
		if err := rd.xlogData.Decode(payload); err != nil {
			return err
		}
		return rd.data(ctx, &rd.xlogData, left, now)
	case protocol.TagKeepalive:
		if err := rd.keepalive.Decode(payload); err != nil {
			return err
		}
		rd.alive(&rd.keepalive, now)
		return nil
	}
	return fmt.Errorf("%w: unexpected replication message %q", protocol.ErrProtocol, payload[0])
}

func (s *stream) alive(m *protocol.Keepalive, now time.Time) {
	s.r.noteProgress()
	s.r.noteCaughtUp(s.r.track.heard(m.End, m.SendTime, now))
	if m.ReplyRequested {
		s.replier.force(false)
		s.r.flusher.hurry()
	}
}

// noteProgress ends a row of failures, unless it may go on where the log was corrupt before.
func (r *Receiver) noteProgress() {
	if r.pos.LSN >= r.corruptAt {
		r.failures, r.corruptAt = 0, 0
	}
}

// noteCaughtUp compares our position with the end of the server's log.
func (r *Receiver) noteCaughtUp(end xlog.LSN) {
	if r.pos.LSN >= end {
		r.setState(StateStreaming)
	}
}

// data checks a piece of the log and writes it. left bytes of it were not read.
func (rd *reader) data(ctx context.Context, m *protocol.XLogData, left int, now time.Time) error {
	r := rd.r
	if m.Start != r.pos.LSN {
		return fmt.Errorf("%w: log at %s, expected at %s", protocol.ErrProtocol, m.Start, r.pos.LSN)
	}
	end := r.track.heard(m.End, m.SendTime, now)
	if err := rd.store(ctx, m, left); err != nil {
		return err
	}
	r.noteProgress()
	finished := r.segSize.Number(m.Start) != r.segSize.Number(r.pos.LSN)
	if finished {
		r.emit(SegmentFinished{End: Position{Timeline: r.pos.Timeline, LSN: r.segSize.RoundDown(r.pos.LSN)}})
	}
	r.noteCaughtUp(end)
	return rd.flush(!rd.client.CopyBuffered(), end.Sub(r.pos.LSN), finished)
}

// store writes the log of a message, of which left bytes were not read.
func (s *stream) store(ctx context.Context, m *protocol.XLogData, left int) error {
	if left > 0 {
		if done, err := s.direct.put(ctx, m, left); done || err != nil {
			return err
		}
		err := s.insist(ctx, func() error {
			payload, err := s.client.CopyRest()
			if err != nil {
				return err
			}
			return m.Decode(payload)
		})
		if err != nil {
			return err
		}
	}
	return s.r.write(m.Start, s.r.cutAtStop(m.Data))
}

// flush sees to it that what was written becomes durable and that the server hears of it.
func (rd *reader) flush(drained bool, lag int64, segmentEnd bool) error {
	if rd.r.flusher.wrote(rd.r.pos.LSN, drained, lag, segmentEnd) {
		return rd.sync()
	}
	if drained && lag < eagerLag {
		rd.replier.wrote()
	}
	return nil
}

// write checks log, gives it to the sink and moves our position.
func (r *Receiver) write(lsn xlog.LSN, p []byte) error {
	if err := r.verify(lsn, p); err != nil {
		return err
	}
	if err := r.cfg.Sink.Write(lsn, p); err != nil {
		return sinkError("write", lsn, err)
	}
	r.wrote(lsn.Add(len(p)), len(p))
	return nil
}

// wrote moves our position, by n bytes.
func (r *Receiver) wrote(end xlog.LSN, n int) {
	r.pos.LSN = end
	r.track.wrote(end, n)
}

// cutAtStop drops what comes after the end of a segment that lies beyond StopAt, as pg_receivewal does.
func (r *Receiver) cutAtStop(data []byte) []byte {
	size, after := xlog.LSN(r.segSize), r.pos.LSN.Add(len(data))
	for end := r.segSize.RoundDown(r.pos.LSN) + size; end < after; end += size {
		if r.stopReached(end) {
			return data[:end.Sub(r.pos.LSN)]
		}
	}
	return data
}

// endOfTimeline confirms everything and asks where the log goes on.
func (s *stream) endOfTimeline(ctx context.Context) (*protocol.NextTimeline, error) {
	if err := s.r.flusher.quiesce(); err != nil {
		return nil, err
	}
	s.replier.force(false)
	s.replier.finish()
	release := s.conn.Bind(ctx)
	next, err := s.client.EndCopyBoth()
	if cause := release(); cause != nil && err != nil {
		err = cause
	}
	s.conn.SetTimeouts(s.r.cfg.ReceiveTimeout, s.r.cfg.ReceiveTimeout)
	if err == nil && next == nil {
		err = fmt.Errorf("%w: the stream ended without a reason at %s", protocol.ErrProtocol, s.r.pos.LSN)
	}
	return next, err
}

// leave ends the stream from our side: everything received becomes durable and is confirmed. What the server still
// sends is dropped.
func (s *stream) leave() error {
	_ = s.conn.wire.SetWriteDeadline(time.Now().Add(farewell)) // of a message that is stuck
	if err := s.r.flusher.quiesce(); err != nil {
		return err
	}
	s.conn.SetTimeouts(farewell, farewell)
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	release := s.conn.Bind(ctx)
	defer release()
	s.replier.force(false)
	s.replier.finish()
	_, _ = s.client.EndCopyBoth() // whatever it says, we are done
	return errStop
}
