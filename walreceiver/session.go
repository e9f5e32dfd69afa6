// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// session is the life of one connection: it never returns nil.
func (r *Receiver) session(ctx context.Context) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := r.learn(ctx, conn); err != nil {
		return err
	}
	for {
		next, err := r.follow(ctx, conn)
		if err == nil && next != nil {
			err = r.switchTimeline(next)
		}
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			return r.backToGood(corrupt)
		}
		if err != nil {
			return err
		}
	}
}

func (r *Receiver) connect(ctx context.Context) (*Conn, error) {
	conn, err := Connect(ctx, r.cfg.ConnString, ConnectOptions{
		ApplicationName: r.cfg.ApplicationName,
		Timeout:         r.cfg.ConnectTimeout,
		OnNotice:        func(n *protocol.Error) { r.emit(ServerNotice{n}) },
	})
	if err != nil {
		return nil, err
	}
	conn.SetTimeouts(r.cfg.ReceiveTimeout, r.cfg.ReceiveTimeout)
	info := conn.Server()
	r.track.change(func(s *Status) {
		s.Connections++
		s.NextAttempt = time.Time{}
		s.SenderHost, s.SenderPort, s.ConnInfo = info.Host, info.Port, conn.ConnInfo()
		s.ServerVersion, s.ServerVersionNum, s.Flavour = info.VersionText, info.Version, info.Flavour
	})
	return conn, nil
}

// learn asks what has to be known before the first stream of a connection.
func (r *Receiver) learn(ctx context.Context, conn *Conn) error {
	id, err := r.identify(ctx, conn)
	if err != nil {
		return err
	}
	r.emit(Connected{Server: conn.Server(), System: id})
	size, err := conn.SegmentSize(ctx)
	if err != nil {
		return err
	}
	if r.segSize != 0 && r.segSize != size {
		return fmt.Errorf("%w: ours is %d bytes, the server's is %d", ErrSegmentSize, r.segSize, size)
	}
	r.segSize = size
	if err := r.learnDialect(ctx, conn); err != nil {
		return err
	}
	if err := r.makeSlot(ctx, conn); err != nil || r.pos.Timeline != 0 {
		return err
	}
	r.pos, err = r.startPoint(ctx, conn, id)
	r.lastTimeline = r.pos.Timeline
	return err
}

// identify asks who the server is. Another cluster is refused.
func (r *Receiver) identify(ctx context.Context, conn *Conn) (SystemIdentity, error) {
	id, err := conn.IdentifySystem(ctx)
	if err != nil {
		return id, err
	}
	if r.systemID != 0 && r.systemID != id.SystemID {
		return id, &SystemIdentifierError{Ours: r.systemID, Server: id.SystemID}
	}
	r.systemID = id.SystemID
	r.track.change(func(s *Status) { s.SystemID = id.SystemID })
	return id, nil
}

// follow streams our timeline to its end and returns the next one.
func (r *Receiver) follow(ctx context.Context, conn *Conn) (*protocol.NextTimeline, error) {
	id, err := r.identify(ctx, conn)
	if err != nil {
		return nil, err
	}
	var hist xlog.History
	if id.Timeline >= r.pos.Timeline {
		if hist, err = r.fetchHistories(ctx, conn, id.Timeline); err != nil {
			return nil, err
		}
	}
	if next, err := r.checkHistory(id, hist); next != nil || err != nil {
		return next, err
	}
	if r.stopReached(r.pos.LSN) {
		return nil, errStop
	}
	if err := r.begin(conn); err != nil {
		return nil, err
	}
	return r.stream(ctx, conn, id.XLogPos)
}

// begin tells the sink and the verifier where the stream starts, unless they are there.
func (r *Receiver) begin(conn *Conn) error {
	if r.began {
		return nil
	}
	if err := r.cfg.Sink.Begin(r.pos.Timeline, r.pos.LSN); err != nil {
		return sinkError("begin", r.pos.LSN, err)
	}
	if r.cfg.Verify != nil {
		if r.dialect == nil {
			return fmt.Errorf("no dialect is known for the log of %s %s", conn.Server().Flavour, conn.Server().VersionText)
		}
		r.verifier = r.cfg.Verify.newVerifier(r.dialect, r.systemID, r.segSize, r.ownHistory())
	}
	r.track.begin(r.pos, r.floor)
	r.flusher.begin(r.pos.LSN)
	r.began = true
	return r.seed()
}

// ownHistory is the history of our timeline, empty when the sink has none.
func (r *Receiver) ownHistory() xlog.History {
	if r.pos.Timeline == 1 {
		return xlog.History{Timeline: 1}
	}
	hist, err := r.sinkHistory(r.pos.Timeline)
	if err != nil {
		return xlog.History{}
	}
	return hist
}

// backToGood sets the position back to the segment of the last good record, to receive it again.
func (r *Receiver) backToGood(corrupt *CorruptError) error {
	if err := r.flusher.quiesce(); err != nil {
		return err
	}
	_, flush := r.track.positions()
	good := corrupt.Good
	r.corruptAt = max(corrupt.At, r.pos.LSN) + 1
	r.rewind(Position{Timeline: r.pos.Timeline, LSN: r.segSize.RoundDown(good)}, min(flush, good))
	return corrupt
}
