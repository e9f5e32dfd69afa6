// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Retention says how much of the log is kept for clients. The zero value keeps what slots need, however much that is.
type Retention struct {
	KeepSize    int64 // wal_keep_size: bytes that are kept behind the end in any case
	SlotMaxSize int64 // max_slot_wal_keep_size: bytes that slots may keep at most; 0: no limit
	WALMaxSize  int64 // max_wal_size: from how many bytes on a slot is "extended"; 0: 1 GiB
}

const defaultWALMaxSize = 1 << 30

// retention is what a Server knows of the log that was let go.
type retention struct {
	cfg  Retention
	size xlog.SegmentSize

	mu   sync.Mutex         // one Retain, or reservation, at a time
	kept xlog.SegmentNumber // the oldest that the last Retain kept
}

// Retain says what may be removed from the log when its owner needs nothing from before need any more: whatever lies
// before the position that is returned, which is the start of a segment. It invalidates the slots that would need more than
// they may, ends the sessions that use these, and makes the others durable first, so that none is found later that
// needs what was removed (KeepLogSeg in xlog.c). After an error nothing may be removed.
func (s *Server) Retain(need xlog.LSN) (keep xlog.LSN, err error) {
	r := &s.retention
	r.mu.Lock()
	defer r.mu.Unlock()
	end := s.cfg.Source.Position().Flush
	limit := r.size.Number(min(need, s.holds.oldest()))
	first := r.oldest(end, s.cfg.Slots.oldest(), limit)
	if lost := s.cfg.Slots.invalidate(r.size.Start(first)); len(lost) > 0 {
		for _, name := range lost {
			s.event(Event{Kind: EventInvalidated, Text: name})
		}
		first = r.oldest(end, s.cfg.Slots.oldest(), limit)
	}
	if err := s.cfg.Slots.Save(); err != nil {
		return 0, err
	}
	r.kept = max(r.kept, first)
	return r.size.Start(first), nil
}

// oldest is the first segment to keep, not after limit.
func (r *retention) oldest(end, slots xlog.LSN, limit xlog.SegmentNumber) xlog.SegmentNumber {
	current := r.size.Number(end)
	first := current
	if slots != 0 && slots < end {
		// One more than PostgreSQL keeps: a standby that comes back asks for the segment in which the record begins that
		// it has in part, and may have confirmed the segment after it.
		first = max(r.size.Number(slots), 1) - 1
		if most := r.segments(r.cfg.SlotMaxSize); r.cfg.SlotMaxSize > 0 && current-first > most {
			first = current - most
		}
	}
	if least := r.segments(r.cfg.KeepSize); current-first < least {
		first = 1
		if current > least {
			first = current - least
		}
	}
	return min(first, limit)
}

// segments is how many segments fit in a number of bytes (ConvertToXSegs).
func (r *retention) segments(bytes int64) xlog.SegmentNumber {
	return xlog.SegmentNumber(max(0, bytes) / int64(r.size))
}

// reserve makes a new slot keep the log (ReplicationSlotReserveWal). No segment is let go meanwhile.
func (s *Server) reserve(h *heldSlot) {
	r := &s.retention
	r.mu.Lock()
	defer r.mu.Unlock()
	from := max(s.cfg.Source.Position().reserve(), r.size.Start(r.kept))
	h.update(func(st *slotState) { st.restart = from })
}

// WALStatus says whether the log that a slot needs is there (GetWALAvailability in xlog.c).
type WALStatus string

// The states of the log that a slot needs. A slot that has reserved none has none.
const (
	WALNone       WALStatus = ""
	WALReserved   WALStatus = "reserved"   // within max_wal_size
	WALExtended   WALStatus = "extended"   // kept by slots or wal_keep_size
	WALUnreserved WALStatus = "unreserved" // to be removed next
	WALLost       WALStatus = "lost"       // removed
)

// SlotStat is a row of pg_replication_slots, of its columns those that a physical slot fills.
type SlotStat struct {
	SlotName          string
	Temporary         bool
	Active            bool
	ActivePID         uint32   // 0 is NULL
	Xmin, CatalogXmin uint32   // 0 is NULL
	RestartLSN        xlog.LSN // 0 is NULL
	WALStatus         WALStatus
	SafeWALSize       int64 // bytes that may be written before the slot is in danger; below 0 is NULL
	InactiveSince     time.Time
	Invalidated       bool // invalidation_reason is wal_removed
}

// SlotStats is pg_replication_slots, ordered by name.
func (s *Server) SlotStats() []SlotStat {
	r := &s.retention
	r.mu.Lock()
	defer r.mu.Unlock()
	end := s.cfg.Source.Position().Flush
	first := r.oldest(end, s.cfg.Slots.oldest(), r.size.Number(end))
	stats := s.cfg.Slots.Stats()
	for i := range stats {
		r.judge(&stats[i], end, first)
	}
	return stats
}

// judge fills in WALStatus and SafeWALSize. first is the segment from which on the log is kept.
func (r *retention) judge(st *SlotStat, end xlog.LSN, first xlog.SegmentNumber) {
	st.WALStatus, st.SafeWALSize = r.availability(st, end, first), -1
	if st.WALStatus == WALLost || st.WALStatus == WALNone || r.cfg.SlotMaxSize <= 0 {
		return
	}
	fails := r.size.Number(st.RestartLSN) + max(r.segments(r.cfg.SlotMaxSize), r.segments(r.cfg.KeepSize)) + 1
	st.SafeWALSize = max(0, r.size.Start(fails).Sub(end))
}

func (r *retention) availability(st *SlotStat, end xlog.LSN, first xlog.SegmentNumber) WALStatus {
	if st.Invalidated {
		return WALLost
	}
	if st.RestartLSN == 0 {
		return WALNone
	}
	wanted, current := r.size.Number(st.RestartLSN), r.size.Number(end)
	usual := r.segments(cmp.Or(r.cfg.WALMaxSize, defaultWALMaxSize)) + 1
	switch {
	case wanted >= first && (current <= usual || wanted >= current-usual):
		return WALReserved
	case wanted >= first:
		return WALExtended
	case wanted >= r.kept || st.Active:
		return WALUnreserved
	}
	return WALLost
}

// Stats are the slots, ordered by name, without what Server.SlotStats says of the log: WALStatus and SafeWALSize.
func (s *Slots) Stats() []SlotStat {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []SlotStat
	for _, sl := range s.slots {
		st := SlotStat{
			SlotName: sl.name, Temporary: sl.temporary, Active: sl.holder != nil, Xmin: uint32(sl.xmin),
			CatalogXmin: uint32(sl.catalogXmin), RestartLSN: sl.restart, InactiveSince: sl.since, Invalidated: sl.invalidated,
		}
		if sl.holder != nil {
			st.ActivePID, st.InactiveSince = sl.holder.pid, time.Time{}
		}
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b SlotStat) int { return cmp.Compare(a.SlotName, b.SlotName) })
	return all
}
