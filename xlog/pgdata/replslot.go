// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// ReplicationSlotsDir is the directory in which a server keeps its replication slots, each a directory of its name.
const ReplicationSlotsDir = "pg_replslot"

const (
	slotStateName = "state"
	slotMagic     = 0x1051CA1 // SLOT_MAGIC
	slotNameLen   = 64        // NAMEDATALEN
	slotHeader    = 16
)

// A ReplicationSlot is a physical replication slot that outlives the server's restart (ReplicationSlotPersistentData in
// src/include/replication/slot.h).
type ReplicationSlot struct {
	Name              string
	XMin, CatalogXMin uint32   // that rows are kept for; 0 for none
	RestartLSN        xlog.LSN // from which on the log is kept; 0 for none
}

// slotLayout is what of a slot's file depends on the version. The file (ReplicationSlotOnDisk in
// src/backend/replication/slot.c) is
//
//	magic u32, CRC-32C u32 of all that follows, version u32, length u32 of what follows
//	name [64]byte, database u32, persistency u32, xmin u32, catalog_xmin u32, restart_lsn u64
//	what logical decoding and invalidation need: zeros for a sound physical slot
type slotLayout struct {
	version uint32
	length  uint32 // with the padding of the structure
}

func slotLayoutOf(d *xlog.Dialect) slotLayout {
	switch base := d.Base(); {
	case base <= 12:
		return slotLayout{2, 160}
	case base == 13: // invalidated_at
		return slotLayout{2, 168}
	case base <= 15: // two_phase_at, two_phase
		return slotLayout{2, 184}
	case base == 16: // invalidated
		return slotLayout{3, 184}
	}
	return slotLayout{5, 184} // synced, failover
}

// encode makes the content of the slot's file.
func (s ReplicationSlot) encode(l slotLayout) []byte {
	p := make([]byte, slotHeader+l.length)
	le := binary.LittleEndian
	le.PutUint32(p, slotMagic)
	le.PutUint32(p[8:], l.version)
	le.PutUint32(p[12:], l.length)
	data := p[slotHeader:]
	copy(data[:slotNameLen-1], s.Name)
	le.PutUint32(data[72:], s.XMin)
	le.PutUint32(data[76:], s.CatalogXMin)
	le.PutUint64(data[80:], uint64(s.RestartLSN))
	le.PutUint32(p[4:], crc(p[8:]))
	return p
}

// WriteReplicationSlot makes a slot, or moves one that is there, durably (SaveSlotToPath). No server may run on the
// directory: it reads its slots when it starts, and refuses to start with more of them than max_replication_slots.
func (d *DataDir) WriteReplicationSlot(s ReplicationSlot) error {
	if err := d.writeSlot(s); err != nil {
		return fmt.Errorf("replication slot %q: %w", s.Name, err)
	}
	return nil
}

func (d *DataDir) writeSlot(s ReplicationSlot) error {
	perm, err := FileMode(d.fsys, d.Path)
	if err != nil {
		return err
	}
	content := s.encode(slotLayoutOf(d.Dialect))
	all := filepath.Join(d.Path, ReplicationSlotsDir)
	dir := filepath.Join(all, s.Name)
	there, err := vfs.Exists(d.fsys, dir)
	if err != nil {
		return err
	}
	if there {
		return writeDurably(d.fsys, filepath.Join(dir, slotStateName), content, perm)
	}
	// A directory becomes a slot by its rename, with everything in it.
	temp := dir + ".tmp"
	if err := d.fsys.Mkdir(temp, dirPerm(perm)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := writeDurably(d.fsys, filepath.Join(temp, slotStateName), content, perm); err != nil {
		return err
	}
	if err := d.fsys.Rename(temp, dir); err != nil {
		return err
	}
	return d.fsys.SyncDir(all)
}

// RemoveReplicationSlot removes a slot, durably (ReplicationSlotDropPtr). It is no error that there is none.
func (d *DataDir) RemoveReplicationSlot(name string) error {
	all := filepath.Join(d.Path, ReplicationSlotsDir)
	temp := filepath.Join(all, name+".tmp")
	if err := d.fsys.Rename(filepath.Join(all, name), temp); err != nil {
		return ignoreNotExist(err)
	}
	if err := d.fsys.SyncDir(all); err != nil { // a server removes what has this name
		return err
	}
	if err := ignoreNotExist(d.fsys.Remove(filepath.Join(temp, slotStateName))); err != nil {
		return err
	}
	return d.fsys.Remove(temp)
}

// dirPerm is the mode of a directory for files of a mode.
func dirPerm(file fs.FileMode) fs.FileMode {
	if file&0o040 != 0 {
		return vfs.DirMode | 0o050
	}
	return vfs.DirMode
}
