// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// fetchHistories stores the history files that the sink lacks of all timelines from our last to the server's, as
// WalRcvFetchTimeLineHistoryFiles does, and returns the server's history. Timelines in between that the server knows
// nothing of are not its ancestors, or were pruned: only its own file is indispensable.
func (r *Receiver) fetchHistories(ctx context.Context, conn *Conn, server xlog.TimelineID) (xlog.History, error) {
	for tli := max(r.lastTimeline, 2); tli < server; tli++ {
		_, err := r.sinkHistory(tli)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = r.fetchHistory(ctx, conn, tli)
		}
		if err != nil && !isMissingFile(err) {
			return xlog.History{}, err
		}
	}
	hist, err := r.serverHistory(ctx, conn, server)
	if err == nil {
		r.lastTimeline = r.pos.Timeline
	}
	return hist, err
}

// serverHistory is the history of the server's own timeline. If the sink has a file of that timeline, it must say the
// same: two servers that were promoted apart from each other may have taken the same number.
func (r *Receiver) serverHistory(ctx context.Context, conn *Conn, tli xlog.TimelineID) (xlog.History, error) {
	if tli == 1 {
		return xlog.History{Timeline: 1}, nil
	}
	ours, err := r.sinkHistory(tli)
	if errors.Is(err, fs.ErrNotExist) {
		return r.fetchHistory(ctx, conn, tli)
	}
	if err != nil {
		return ours, err
	}
	_, content, err := conn.TimelineHistory(ctx, tli)
	if isMissingFile(err) {
		return ours, nil
	}
	if err != nil {
		return ours, err
	}
	theirs, err := xlog.ParseHistory(tli, content)
	if err == nil && !sameAncestors(ours, theirs) {
		err = fmt.Errorf("%w: the server's %s is not the one we have", ErrDiverged, tli.HistoryName())
	}
	return theirs, err
}

func sameAncestors(a, b xlog.History) bool {
	return slices.EqualFunc(a.Ancestors, b.Ancestors, func(x, y xlog.Switch) bool {
		return x.Timeline == y.Timeline && x.LSN == y.LSN
	})
}

// sinkHistory reads a stored history file. The error wraps fs.ErrNotExist when there is none.
func (r *Receiver) sinkHistory(tli xlog.TimelineID) (xlog.History, error) {
	content, err := r.cfg.Sink.ReadHistory(tli)
	if errors.Is(err, fs.ErrNotExist) {
		return xlog.History{}, err
	}
	if err != nil {
		return xlog.History{}, sinkError("read history of timeline "+tli.String(), r.pos.LSN, err)
	}
	return xlog.ParseHistory(tli, content)
}

// fetchHistory stores the server's file of a timeline.
func (r *Receiver) fetchHistory(ctx context.Context, conn *Conn, tli xlog.TimelineID) (xlog.History, error) {
	_, content, err := conn.TimelineHistory(ctx, tli)
	if err != nil {
		return xlog.History{}, err
	}
	hist, err := xlog.ParseHistory(tli, content)
	if err != nil {
		return hist, err
	}
	if err := r.cfg.Sink.WriteHistory(tli, content); err != nil {
		return hist, sinkError("write history of timeline "+tli.String(), r.pos.LSN, err)
	}
	r.emit(HistoryStored{Timeline: tli})
	return hist, nil
}

func isMissingFile(err error) bool {
	e, ok := errors.AsType[*protocol.Error](err)
	return ok && e.Code == codeUndefinedFile
}

// checkHistory compares what we have with the server's history. Where the server left our timeline before the end of
// what we have, and that is no more than a record that nobody completed, it returns the switch to make.
func (r *Receiver) checkHistory(server SystemIdentity, hist xlog.History) (*protocol.NextTimeline, error) {
	switch {
	case server.Timeline < r.pos.Timeline:
		return nil, fmt.Errorf("%w: it is on timeline %s, our log on timeline %s", ErrServerBehind,
			server.Timeline, r.pos.Timeline)
	case server.Timeline == r.pos.Timeline && server.XLogPos < r.pos.LSN:
		return nil, fmt.Errorf("%w: it is at %s, our log ends at %s on timeline %s", ErrServerBehind, server.XLogPos,
			r.pos.LSN, r.pos.Timeline)
	case server.Timeline == r.pos.Timeline:
		return nil, nil
	}
	diverged := &DivergedError{Timeline: r.pos.Timeline, Position: r.pos.LSN, ServerTimeline: server.Timeline}
	at, next, ok := hist.SwitchPoint(r.pos.Timeline)
	if !ok {
		return nil, diverged
	}
	diverged.SwitchPoint = at
	lost, err := r.haveRecordAt(at)
	switch {
	case err != nil:
		return nil, err
	case lost && !r.cfg.AllowFork:
		return nil, diverged
	case r.pos.LSN <= at:
		return nil, nil
	}
	return &protocol.NextTimeline{Timeline: next, Start: at}, nil
}

// haveRecordAt tells whether we hold a complete record that begins at lsn, or after it, on our timeline. A promoted
// server begins its timeline at the end of the last complete record that it had, so ours would be one that it did not
// have. Without means to look, every byte beyond lsn counts.
func (r *Receiver) haveRecordAt(lsn xlog.LSN) (bool, error) {
	source, ok := r.cfg.Sink.(WALReader)
	if !ok || r.dialect == nil {
		return r.pos.LSN > lsn && !r.torn(lsn), nil
	}
	if r.began && r.pos.LSN <= lsn {
		return false, nil
	}
	reader := xlog.NewReader(xlog.ReaderConfig{
		Dialect: r.dialect, SegmentSize: r.segSize, Source: eofSource{source}, Start: lsn,
		History: xlog.History{Timeline: r.pos.Timeline},
	})
	_, err := reader.Next()
	if errors.Is(err, xlog.ErrIO) {
		return false, sinkError("read", lsn, err)
	}
	return err == nil, nil
}

// torn tells whether the verifier saw no complete record beyond lsn.
func (r *Receiver) torn(lsn xlog.LSN) bool { return r.verifier != nil && r.verifier.End() <= lsn }

// eofSource is a sink as a source, where a segment that is missing is the end of what there is.
type eofSource struct{ WALReader }

func (s eofSource) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	n, err := s.WALReader.ReadAt(tli, p, lsn)
	if errors.Is(err, fs.ErrNotExist) {
		err = io.EOF
	}
	return n, err
}

// switchTimeline goes over to the next timeline, at the start of the segment in which the log left the old one. What
// was written is durable by then; up to the switch point it is good on the new timeline too.
func (r *Receiver) switchTimeline(next *protocol.NextTimeline) error {
	old := r.pos.Timeline
	if next.Timeline <= old {
		return fmt.Errorf("%w: next timeline %s after timeline %s", protocol.ErrProtocol, next.Timeline, old)
	}
	if next.Start > r.pos.LSN {
		return fmt.Errorf("%w: timeline %s ended at %s, but timeline %s begins at %s", protocol.ErrProtocol, old,
			r.pos.LSN, next.Timeline, next.Start)
	}
	if err := r.flusher.quiesce(); err != nil {
		return err
	}
	_, flush := r.track.positions()
	r.rewind(Position{Timeline: next.Timeline, LSN: r.segSize.RoundDown(next.Start)}, min(flush, next.Start))
	r.seedFrom, r.lastTimeline = old, old
	r.emit(TimelineSwitched{From: old, To: next.Timeline, At: next.Start})
	return nil
}

// rewind sets the position of the next stream to the start of a segment. Everything below floor stays durable.
func (r *Receiver) rewind(to Position, floor xlog.LSN) {
	r.pos, r.floor = to, floor
	r.began, r.verifier, r.seedFrom = false, nil, 0
}

const seedPiece = 256 << 10

// seed begins a new timeline's first segment with our own log of the old one, up to the switch point, where the sink
// can be read; streaming then goes on there. The server would send the same bytes. But until they had come, a server
// that recovers from the new segment would end before log that was confirmed long ago: it looks for a segment on the
// newest timeline first. What cannot be read is left to the server.
func (r *Receiver) seed() error {
	from, to := r.seedFrom, r.floor
	r.seedFrom = 0
	source, ok := r.cfg.Sink.(WALReader)
	if !ok || from == 0 {
		return nil
	}
	buf := make([]byte, seedPiece)
	for r.pos.LSN < to {
		p := buf[:min(to.Sub(r.pos.LSN), seedPiece)]
		if n, _ := source.ReadAt(from, p, r.pos.LSN); n < len(p) {
			break
		}
		if err := r.write(r.pos.LSN, p); err != nil {
			return err
		}
		r.flusher.wrote(r.pos.LSN, false, 0, false)
	}
	return r.flusher.quiesce()
}
