// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"sync"

	"github.com/walmirror/walmirror/walsender/syncrep"
)

// syncNews lets one goroutine of a session at a time tell what it knows, so that no older news comes after newer.
type syncNews struct{ mu sync.Mutex }

// progressed tells synchronous replication how far a standby is now, and what its sender does.
func (s *Server) progressed(c *session) {
	if s.cfg.Sync == nil {
		return
	}
	c.news.mu.Lock()
	defer c.news.mu.Unlock()
	stat, _ := c.sender.snapshot()
	size := s.cfg.Source.Identity().SegmentSize
	behind := int(size.Number(s.cfg.Source.Position().Flush)) - int(size.Number(stat.SentLSN))
	s.cfg.Sync.Update(syncrep.Standby{
		ID: c.pid, Name: stat.ApplicationName, State: syncState(stat.State), Behind: behind,
		Write: stat.WriteLSN, Flush: stat.FlushLSN, Apply: stat.ReplayLSN,
	})
}

func syncState(state SenderState) syncrep.State {
	switch state {
	case StateCatchup:
		return syncrep.CatchingUp
	case StateStreaming, StateStopping:
		return syncrep.Streaming
	}
	return syncrep.Idle
}

// left tells synchronous replication that a session has ended.
func (s *Server) left(c *session) {
	if s.cfg.Sync != nil {
		s.cfg.Sync.Remove(c.pid)
	}
}

// addSyncStates fills in what synchronous replication makes of each sender.
func (s *Server) addSyncStates(all []ReplicationStat) {
	if s.cfg.Sync == nil {
		return
	}
	standings := s.cfg.Sync.Standings()
	for i := range all {
		if standing, ok := standings[all[i].PID]; ok {
			all[i].SyncPriority, all[i].SyncState = standing.Priority, standing.State
		}
	}
}
