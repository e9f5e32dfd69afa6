// SPDX-License-Identifier: Apache-2.0

package syncrep

import (
	"context"
	"fmt"
	"sync"

	"github.com/walmirror/walmirror/xlog"
)

// Mode says what a commit waits for: a value of synchronous_commit (SyncRepWaitMode).
type Mode uint8

// The modes. A record that is no commit is never waited for beyond Flush.
const (
	Write Mode = iota // remote_write: the standby has given it to its kernel
	Flush             // on: it is on the standby's disk
	Apply             // remote_apply: queries there see it

	modes = iota
)

func (m Mode) String() string { return [...]string{"write", "flush", "apply"}[m] }

// GreenplumStandby is the application name of the standby that a Greenplum coordinator's commits wait for.
const GreenplumStandby = "gp_walreceiver"

// Config says which standbys are synchronous.
type Config struct {
	// Names is a value of synchronous_standby_names; empty: nobody waits.
	Names string
	// Coordinator puts Greenplum's rule in the place of Names: commits wait for the standby named GreenplumStandby while it
	// streams, or catches up and is near, and for nobody otherwise.
	Coordinator bool
	// NearSegments is how many segments of the log a standby that catches up may lack so that a coordinator's commits wait
	// for it (repl_catchup_within_range); 0 is 1.
	NearSegments int
}

// State is what a sender does for its standby.
type State uint8

// The states.
const (
	Idle       State = iota // it does not send
	CatchingUp              // it sends what there was before
	Streaming               // it sends the log as it comes, or the rest of it before a stop
)

// Standby is what a sender tells about its standby.
type Standby struct {
	ID     uint32 // of the sender
	Name   string // application_name
	State  State
	Behind int // how many segments of the log are still to be sent to it
	// Positions that it has confirmed; 0: none.
	Write, Flush, Apply xlog.LSN
}

// standby is one with what is remembered of it.
type standby struct {
	Standby
	near bool // it was no more than NearSegments behind once
}

func (s *standby) positions() [modes]xlog.LSN { return [modes]xlog.LSN{s.Write, s.Flush, s.Apply} }

// counts says that the standby can let commits go when it is a chosen one.
func (s *standby) counts() bool { return s.State == Streaming && s.Flush.Valid() }

// Sync holds who waits, and which standbys there are.
type Sync struct {
	coordinator  bool
	nearSegments int

	mu       sync.Mutex
	names    Names
	standbys []standby       // in the order in which they came
	released [modes]xlog.LSN // enough standbys have all below it; never goes back
	queues   [modes]queue
}

// New checks the configuration.
func New(cfg Config) (*Sync, error) {
	s := &Sync{coordinator: cfg.Coordinator, nearSegments: cfg.NearSegments}
	if s.nearSegments <= 0 {
		s.nearSegments = 1
	}
	if err := s.SetNames(cfg.Names); err != nil {
		return nil, err
	}
	return s, nil
}

// SetNames changes synchronous_standby_names. Empty lets everybody go who waits.
func (s *Sync) SetNames(text string) error {
	names, err := Parse(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = names
	s.release()
	return nil
}

// Names is synchronous_standby_names.
func (s *Sync) Names() Names {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names
}

// Update tells about a standby, or that it is no longer as it was. News about one standby come one after the other.
func (s *Sync) Update(news Standby) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(news.ID)
	if i < 0 {
		i = len(s.standbys)
		s.standbys = append(s.standbys, standby{})
	}
	s.standbys[i].Standby = news
	if news.State != Idle && news.Behind <= s.nearSegments {
		s.standbys[i].near = true
	}
	s.release()
}

// Remove tells that a sender has ended.
func (s *Sync) Remove(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index(id); i >= 0 {
		s.standbys = append(s.standbys[:i], s.standbys[i+1:]...)
		s.release()
	}
}

func (s *Sync) index(id uint32) int {
	for i := range s.standbys {
		if s.standbys[i].ID == id {
			return i
		}
	}
	return -1
}

// Wait returns when enough standbys have what lies below lsn, at once when nobody has to be waited for (SyncRepWaitForLSN).
// The error says that ctx ended before: the commit stands, but may exist on this machine only.
func (s *Sync) Wait(ctx context.Context, lsn xlog.LSN, mode Mode) error {
	w := s.enqueue(lsn, mode)
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.queues[mode].remove(w) {
		return nil // it was let go in the meantime
	}
	return fmt.Errorf("wait for synchronous replication up to %s: %w", lsn, context.Cause(ctx))
}

// enqueue makes a waiter, or none when there is nothing to wait for.
func (s *Sync) enqueue(lsn xlog.LSN, mode Mode) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.requested() || lsn <= s.released[mode] {
		return nil
	}
	return s.queues[mode].add(lsn)
}

// Waiting is how many commits wait.
func (s *Sync) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i := range s.queues {
		n += len(s.queues[i].waiters)
	}
	return n
}

// Released is the position below which nobody has to wait.
func (s *Sync) Released(mode Mode) xlog.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released[mode]
}

// requested says whether a commit has to wait for anybody at all.
func (s *Sync) requested() bool {
	if s.coordinator {
		return s.coordinatorWaits()
	}
	return !s.names.Empty()
}

// release lets go whoever need not wait any more (SyncRepReleaseWaiters).
func (s *Sync) release() {
	if !s.requested() {
		for mode := range s.queues {
			s.queues[mode].releaseAll()
		}
		return
	}
	synced, ok := s.synced()
	if !ok {
		return
	}
	for mode, lsn := range synced {
		if s.released[mode] < lsn {
			s.released[mode] = lsn
			s.queues[mode].release(lsn)
		}
	}
}
