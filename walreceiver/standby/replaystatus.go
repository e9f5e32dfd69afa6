// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// States of replay.
const (
	ReplayStarting  = "starting"  // not a record was applied yet
	ReplayRunning   = "replaying" // or waiting for more of the log
	ReplayPaused    = "paused"
	ReplayAtTarget  = "at target" // nothing more is applied
	ReplayFailed    = "failed"    // nothing more is applied; the log is kept
	ReplayNotActive = "stopped"   // the standby does not run
	ReplayEnded     = "ended"     // by activation
)

// ReplayStatus is how far the log is applied.
type ReplayStatus struct {
	State        string          `json:"state"`      // starting, replaying, paused, at target, failed, stopped, ended
	LSN          xlog.LSN        `json:"replay_lsn"` // end of the last record that was applied
	Timeline     xlog.TimelineID `json:"replay_tli"`
	Consistent   bool            `json:"consistent"` // the directory could be activated as it is
	LagBytes     int64           `json:"replay_lag_bytes"`
	LagSeconds   float64         `json:"replay_lag_seconds"` // since the first byte that is not applied was heard of
	LastXact     time.Time       `json:"last_xact_replay_timestamp,omitzero"`
	Restartpoint xlog.LSN        `json:"last_restartpoint"` // from where a restart replays
	CacheHitRate float64         `json:"cache_hit_rate"`    // of the pages that were asked for, 0 to 1
	MissingPages int             `json:"missing_pages"`     // referred to and not there: their relations must be dropped yet
	Error        string          `json:"error,omitempty"`
	ErrorTime    time.Time       `json:"error_time,omitzero"`
}

func (s *Standby) newApplier() *applier {
	return &applier{
		cfg: s.cfg.Replay, data: s.data, log: newDurableWAL(s.data.WALPath(), s.data.SegmentSize),
		version: s.status.ServerVersionNum, reached: s.caughtUp, release: s.removeLog, events: s.events,
		order: make(chan struct{}), ended: make(chan struct{}),
		feeds: feeds{
			always: s.cfg.OnChanges, watchers: map[*Watcher]struct{}{},
			failed: func(err error) { s.events(ChangesEnded{Err: err}) },
		},
	}
}

// caughtUp tells the primary that everything it sent is applied: a commit may wait for it.
func (s *Standby) caughtUp() {
	s.mu.Lock()
	r := s.receiver
	s.mu.Unlock()
	if r != nil && r.Status().AppliedLSN != s.applier.applied() {
		r.Reply()
	}
}

// removeLog lets go of the log before keep.
func (s *Standby) removeLog(keep xlog.LSN) {
	s.mu.Lock()
	wal := s.wal
	s.mu.Unlock()
	if wal == nil {
		return
	}
	if err := s.removeBefore(wal, keep); err != nil {
		s.events(LogNotRemoved{Err: err})
	}
	s.events(Restarted{Keep: keep})
}

// removeBefore removes what neither the standby needs, which is what lies before keep, nor its clients.
func (s *Standby) removeBefore(wal *waldir.Dir, keep xlog.LSN) (err error) {
	if s.cascade != nil {
		if keep, err = s.cascade.retain(keep); err != nil {
			return err
		}
	}
	_, err = wal.RemoveBefore(keep)
	return err
}

// updateReplay brings the status of replay up to date. The caller holds mu.
func (s *Standby) updateReplay(now time.Time) {
	st, a := &s.status.Replay, s.applier
	if a == nil {
		return
	}
	end := a.stopped()
	switch {
	case end.err != nil:
		st.State, st.Error, st.ErrorTime = ReplayFailed, end.err.Error(), end.at
	case s.status.Activation != nil:
		st.State = ReplayEnded
	case end.target:
		st.State = ReplayAtTarget
	case a.gate.Paused():
		st.State = ReplayPaused
	default:
		st.State = ReplayRunning
	}
	r := a.redoer()
	if r == nil {
		if end.err == nil {
			st.State = ReplayStarting
		}
		return
	}
	p := r.Progress()
	st.LSN, st.Timeline, st.Consistent = p.LSN, p.Timeline, p.Consistent.Valid()
	st.LastXact, st.Restartpoint = p.LastXact, p.Restartpoint
	st.MissingPages = p.MissingPages
	if asked := p.CacheHits + p.CacheMisses; asked > 0 {
		st.CacheHitRate = float64(p.CacheHits) / float64(asked)
	}
	st.LagBytes = max(0, s.status.LatestEndLSN.Sub(p.LSN))
	st.LagSeconds = s.replayLag.seconds(s.status.LatestEndLSN, p.LSN, now)
}
