// SPDX-License-Identifier: Apache-2.0

package syncrep

import (
	"cmp"
	"slices"

	"github.com/walmirror/walmirror/xlog"
)

// Standing is what synchronous replication makes of a standby: two columns of pg_stat_replication.
type Standing struct {
	Priority int    // sync_priority; 0: asynchronous
	State    string // sync_state: async, potential, sync, quorum
}

// Standings has that of every standby, by its ID (pg_stat_get_wal_senders in walsender.c).
func (s *Sync) Standings() map[uint32]Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[uint32]Standing, len(s.standbys))
	for i := range s.standbys {
		standing := Standing{Priority: s.priority(&s.standbys[i]), State: "potential"}
		if !s.standbys[i].Flush.Valid() { // such as a backup's second connection, which never flushes
			standing.Priority = 0
		}
		if standing.Priority == 0 {
			standing.State = "async"
		}
		all[s.standbys[i].ID] = standing
	}
	for _, chosen := range s.chosen() {
		standing := all[chosen.ID]
		standing.State = "sync"
		if s.names.Method == Any && !s.coordinator {
			standing.State = "quorum"
		}
		all[chosen.ID] = standing
	}
	return all
}

func (s *Sync) priority(standby *standby) int {
	if !s.coordinator {
		return s.names.Priority(standby.Name)
	}
	if standby.Name == GreenplumStandby {
		return 1
	}
	return 0
}

// numSync is how many standbys must confirm.
func (s *Sync) numSync() int {
	if s.coordinator {
		return 1
	}
	return s.names.NumSync
}

// chosen are the standbys whose positions count: with Any all that could, with First no more than NumSync
// (SyncRepGetCandidateStandbys). Of two with the same priority the one that came first counts.
func (s *Sync) chosen() []*standby {
	var candidates []*standby
	for i := range s.standbys {
		if standby := &s.standbys[i]; standby.counts() && s.priority(standby) > 0 {
			candidates = append(candidates, standby)
		}
	}
	if s.names.Method == Any && !s.coordinator {
		return candidates
	}
	slices.SortStableFunc(candidates, func(a, b *standby) int { return cmp.Compare(s.priority(a), s.priority(b)) })
	return candidates[:min(len(candidates), s.numSync())]
}

// synced are the positions up to which enough standbys have the log; not ok: there are not enough
// (SyncRepGetSyncRecPtr). The nth greatest of n positions is the least, which is what First asks for.
func (s *Sync) synced() (synced [modes]xlog.LSN, ok bool) {
	chosen, n := s.chosen(), s.numSync()
	if len(chosen) < n {
		return synced, false
	}
	column := make([]xlog.LSN, len(chosen))
	for mode := range synced {
		for i, standby := range chosen {
			column[i] = standby.positions()[mode]
		}
		slices.SortFunc(column, func(a, b xlog.LSN) int { return cmp.Compare(b, a) })
		synced[mode] = column[n-1]
	}
	return synced, true
}

// coordinatorWaits says whether the standby of a Greenplum coordinator is there and not far behind (SyncRepWaitForLSN of
// Greenplum 7). When it is not, commits go on without it; those that wait are let go.
func (s *Sync) coordinatorWaits() bool {
	return slices.ContainsFunc(s.standbys, func(standby standby) bool {
		if standby.Name != GreenplumStandby {
			return false
		}
		return standby.State == Streaming || standby.State == CatchingUp && standby.near
	})
}
