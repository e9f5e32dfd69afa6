// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// A permanent slot is a file NAME.slot of text:
//
//	walmirror replication slot 1
//	name standby1
//	restart_lsn 0/3000000
//	xmin 4294968031
//	catalog_xmin 0
//	invalidated false
//	crc32c 5d0c1e2f
//
// The transaction IDs have their epoch in the upper half. The checksum is of all bytes before its line. A file is replaced
// as a whole: NAME.slot.tmp is written, synced and renamed, and the directory synced.

const (
	slotSuffix   = ".slot"
	slotTemp     = ".tmp"
	slotLockName = ".walmirror.slots.lock"
	slotFormat   = "walmirror replication slot 1\nname %s\nrestart_lsn %s\nxmin %d\ncatalog_xmin %d\ninvalidated %t\n"
	slotCRC      = "crc32c %08x\n"
	maxSlotFile  = 4096
)

// ErrSlotFile says that a slot's file is damaged.
var ErrSlotFile = errors.New("damaged replication slot file")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (st slotState) format() []byte {
	text := fmt.Appendf(nil, slotFormat, st.name, st.restart, st.xmin, st.catalogXmin, st.invalidated)
	return fmt.Appendf(text, slotCRC, crc32.Checksum(text, castagnoli))
}

// parseSlot reads what format makes, and nothing else.
func parseSlot(text []byte) (st slotState, err error) {
	var lsn string
	_, err = fmt.Sscanf(string(text), slotFormat, &st.name, &lsn, &st.xmin, &st.catalogXmin, &st.invalidated)
	if err == nil {
		st.restart, err = xlog.ParseLSN(lsn)
	}
	if err == nil {
		err = checkSlotName(st.name)
	}
	if err == nil && !bytes.Equal(st.format(), text) {
		err = errors.New("checksum or layout is wrong")
	}
	if err != nil {
		return slotState{}, fmt.Errorf("%w: %w", ErrSlotFile, err)
	}
	return st, nil
}

// openDir makes the directory and locks it.
func (s *Slots) openDir() error {
	if err := s.cfg.FS.Mkdir(s.cfg.Dir, vfs.DirMode); err == nil {
		if err := s.cfg.FS.SyncDir(filepath.Dir(s.cfg.Dir)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	locker, ok := s.cfg.FS.(vfs.Locker)
	if !ok {
		return nil
	}
	lock, err := locker.Lock(filepath.Join(s.cfg.Dir, slotLockName))
	s.lock = lock
	return err
}

func (s *Slots) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// load reads every slot, and removes files that never got their name. A damaged file is an error: a slot that is forgotten
// lets the log go that somebody needs.
func (s *Slots) load() error {
	list, err := s.cfg.FS.ReadDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := e.Name()
		if strings.HasSuffix(name, slotSuffix+slotTemp) {
			if err := s.cfg.FS.Remove(filepath.Join(s.cfg.Dir, name)); err != nil {
				return err
			}
		}
		if base, ok := strings.CutSuffix(name, slotSuffix); ok {
			if err := s.loadFile(base); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Slots) loadFile(name string) error {
	path := s.slotPath(name)
	f, err := s.cfg.FS.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	text := make([]byte, maxSlotFile)
	n, err := f.ReadAt(text, 0)
	if err == io.EOF {
		err = nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	st, err := parseSlot(text[:n])
	if err == nil && st.name != name {
		err = fmt.Errorf("%w: it is that of slot %q", ErrSlotFile, st.name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.slots[name] = &slot{slotState: st}
	return nil
}

func (s *Slots) slotPath(name string) string { return filepath.Join(s.cfg.Dir, name+slotSuffix) }

// Save makes durable what has changed. Server.Retain does it by itself.
func (s *Slots) Save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	changed := s.takeDirty()
	for i, st := range changed {
		if err := s.writeFile(st); err != nil {
			s.markDirty(changed[i:])
			return fmt.Errorf("could not save replication slot %q: %w", st.name, err)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		s.markDirty(changed)
		return err
	}
	return nil
}

// takeDirty returns the permanent slots that differ from their files, which they soon will not.
func (s *Slots) takeDirty() (changed []slotState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		if sl.dirty && !sl.temporary {
			changed = append(changed, sl.slotState)
			sl.dirty = false
		}
	}
	slices.SortFunc(changed, func(a, b slotState) int { return strings.Compare(a.name, b.name) })
	return changed
}

func (s *Slots) markDirty(states []slotState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range states {
		if sl := s.slots[st.name]; sl != nil {
			sl.dirty = true
		}
	}
}

// writeFile replaces a slot's file. It is durable after the directory is synced.
func (s *Slots) writeFile(st slotState) error {
	path := s.slotPath(st.name)
	f, err := s.cfg.FS.OpenFile(path+slotTemp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, vfs.FileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(st.format(), 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.cfg.FS.Rename(path+slotTemp, path)
}

// removeFile removes the file of a slot that was dropped, and may never have got one, unless a new one has the name.
func (s *Slots) removeFile(name string) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	if _, again := s.get(name); again {
		return nil
	}
	if err := s.cfg.FS.Remove(s.slotPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.cfg.FS.SyncDir(s.cfg.Dir)
}
