// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// SlotsConfig says where slots are kept.
type SlotsConfig struct {
	// Dir holds a file for each permanent slot; it is made when missing, but not its parent. Without it there are only
	// temporary slots, which end with the session that made them.
	Dir string
	FS  vfs.FS // nil: the operating system's
	Max int    // max_replication_slots; 0: 10
}

// Slots are physical replication slots: how far the log is still needed by whom (src/backend/replication/slot.c). What is
// removed from the log must be asked of Server.Retain, which first makes the slots' positions durable; in between a slot
// moves in memory only, so that after a crash it may stand too early, but never too late.
type Slots struct {
	cfg  SlotsConfig
	lock io.Closer

	saving sync.Mutex // files are written; taken before mu

	mu       sync.Mutex
	slots    map[string]*slot
	released chan struct{} // closed when a slot is let go of or dropped; nil: nobody waits
}

// slotState is what is kept on disk.
type slotState struct {
	name              string
	restart           xlog.LSN // the log is needed from here on; 0: no log is reserved
	xmin, catalogXmin uint64   // of hot standby feedback, with the epoch; 0: none
	invalidated       bool     // the log that it needed was removed
}

// slot is a slot in memory. Slots.mu guards it.
type slot struct {
	slotState
	temporary bool
	dirty     bool      // differs from its file
	holder    *session  // nil: nobody
	owner     *session  // of a temporary slot
	since     time.Time // when it was let go of last
}

const defaultMaxSlots = 10

// NewSlots loads the slots in a directory. It keeps other processes away from it until Close.
func NewSlots(cfg SlotsConfig) (*Slots, error) {
	if cfg.FS == nil {
		cfg.FS = vfs.OS
	}
	if cfg.Max == 0 {
		cfg.Max = defaultMaxSlots
	}
	s := &Slots{cfg: cfg, slots: make(map[string]*slot)}
	if cfg.Dir == "" {
		return s, nil
	}
	if err := s.openDir(); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	return s, nil
}

// Close saves the slots. The Slots must not be used any more.
func (s *Slots) Close() error { return errors.Join(s.Save(), s.unlock()) }

// create makes a slot that the session holds (ReplicationSlotCreate). It is not yet on disk.
func (s *Slots) create(name string, temporary bool, c *session) (*heldSlot, error) {
	if err := checkSlotName(name); err != nil {
		return nil, err
	}
	if !temporary && s.cfg.Dir == "" {
		return nil, errorf(codeNotInPrerequisiteState, "permanent replication slots are not kept by this server")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots[name] != nil {
		return nil, errorf(codeDuplicateObject, "replication slot \"%s\" already exists", name)
	}
	if len(s.slots) >= s.cfg.Max {
		e := errorf(codeConfigurationLimit, "all replication slots are in use")
		e.Hint = "Free one or increase max_replication_slots."
		return nil, e
	}
	sl := &slot{slotState: slotState{name: name}, temporary: temporary, holder: c, dirty: true}
	if temporary {
		sl.owner = c
	}
	s.slots[name] = sl
	return &heldSlot{s, sl}, nil
}

// checkSlotName is ReplicationSlotValidateName.
func checkSlotName(name string) error {
	const maxName = 63
	switch {
	case name == "":
		return errorf(codeInvalidName, "replication slot name \"%s\" is too short", name)
	case len(name) > maxName:
		return errorf(codeNameTooLong, "replication slot name \"%s\" is too long", name)
	}
	for _, r := range name {
		if r < 'a' && (r < '0' || r > '9') && r != '_' || r > 'z' {
			e := errorf(codeInvalidName, "replication slot name \"%s\" contains invalid character", name)
			e.Hint = "Replication slot names may only contain lower case letters, numbers, and the underscore character."
			return e
		}
	}
	return nil
}

// acquire takes a slot for a session that streams (ReplicationSlotAcquire). As PostgreSQL from 18 on it refuses one whose
// log was removed.
func (s *Slots) acquire(name string, c *session) (*heldSlot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[name]
	switch {
	case sl == nil:
		return nil, errNoSlot(name)
	case sl.holder != nil:
		return nil, errSlotActive(sl)
	case sl.invalidated:
		e := errorf(codeNotInPrerequisiteState, "can no longer access replication slot \"%s\"", name)
		e.Detail = "This replication slot has been invalidated due to \"wal_removed\"."
		return nil, e
	}
	sl.holder = c
	return &heldSlot{s, sl}, nil
}

func errNoSlot(name string) error {
	return errorf(codeUndefinedObject, "replication slot \"%s\" does not exist", name)
}

func errSlotActive(sl *slot) error {
	return errorf(codeObjectInUse, "replication slot \"%s\" is active for PID %d", sl.name, sl.holder.pid)
}

// drop removes a slot; with wait it waits until nobody holds it.
func (s *Slots) drop(ctx context.Context, name string, wait bool) error {
	for {
		s.mu.Lock()
		sl := s.slots[name]
		if sl == nil {
			s.mu.Unlock()
			return errNoSlot(name)
		}
		if sl.holder == nil {
			delete(s.slots, name)
			s.announceRelease()
			s.mu.Unlock()
			return s.forget(sl)
		}
		if !wait {
			s.mu.Unlock()
			return errSlotActive(sl)
		}
		released := s.awaitRelease()
		s.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// forget removes the file of a slot that is dropped.
func (s *Slots) forget(sl *slot) error {
	if sl.temporary {
		return nil
	}
	return s.removeFile(sl.name)
}

// awaitRelease returns a channel that is closed when a slot is let go of. The caller holds mu.
func (s *Slots) awaitRelease() <-chan struct{} {
	if s.released == nil {
		s.released = make(chan struct{})
	}
	return s.released
}

// announceRelease wakes those who wait for a slot. The caller holds mu.
func (s *Slots) announceRelease() {
	if s.released != nil {
		close(s.released)
		s.released = nil
	}
}

// dropTemporary drops a session's temporary slots: at its end, and after an error (ReplicationSlotCleanup).
func (s *Slots) dropTemporary(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sl := range s.slots {
		if sl.owner == c {
			delete(s.slots, name)
			s.announceRelease()
		}
	}
}

// get returns what a slot is now.
func (s *Slots) get(name string) (slotState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.slots[name]; sl != nil {
		return sl.slotState, true
	}
	return slotState{}, false
}

// oldest is the least position that a slot needs, 0 when none needs any (ReplicationSlotsComputeRequiredLSN).
func (s *Slots) oldest() xlog.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	var least xlog.LSN
	for _, sl := range s.slots {
		if sl.restart != 0 && (least == 0 || sl.restart < least) {
			least = sl.restart
		}
	}
	return least
}

// invalidate makes every slot useless that needs the log from before a position, and ends the sessions that use one
// (InvalidateObsoleteReplicationSlots). It returns their names.
func (s *Slots) invalidate(before xlog.LSN) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		if sl.restart == 0 || sl.restart >= before {
			continue
		}
		sl.restart, sl.invalidated, sl.dirty = 0, true, true
		names = append(names, sl.name)
		if sl.holder != nil {
			sl.holder.cancel(errAdminShutdown)
		}
	}
	slices.Sort(names)
	return names
}

// xmins are the oldest transaction IDs that slots need.
func (s *Slots) xmins() (xmin, catalog uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		xmin, catalog = least(xmin, sl.xmin), least(catalog, sl.catalogXmin)
	}
	return xmin, catalog
}

// heldSlot is a slot in the hands of a session.
type heldSlot struct {
	all  *Slots
	slot *slot
}

// update changes the slot in memory, unless it was invalidated.
func (h *heldSlot) update(f func(*slotState)) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	if h.slot.invalidated {
		return
	}
	before := h.slot.slotState
	f(&h.slot.slotState)
	h.slot.dirty = h.slot.dirty || before != h.slot.slotState
}

// confirm says that the client has flushed up to lsn (PhysicalConfirmReceivedLocation). It may also go back.
func (h *heldSlot) confirm(lsn xlog.LSN) { h.update(func(s *slotState) { s.restart = lsn }) }

// setXmin takes hot standby feedback (PhysicalReplicationSlotNewXmin): it only moves forward, or ends.
func (h *heldSlot) setXmin(xmin, catalog uint64) {
	h.update(func(s *slotState) {
		s.xmin, s.catalogXmin = forward(s.xmin, xmin), forward(s.catalogXmin, catalog)
	})
}

func forward(old, xid uint64) uint64 {
	if old == 0 || xid == 0 {
		return xid
	}
	return max(old, xid)
}

// release lets go of the slot. Its file follows, so that a server which is ended knows of what the client has.
func (h *heldSlot) release() error {
	h.all.mu.Lock()
	h.slot.holder, h.slot.since = nil, time.Now()
	h.all.announceRelease()
	h.all.mu.Unlock()
	return h.all.Save()
}
