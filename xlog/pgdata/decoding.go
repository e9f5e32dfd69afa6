// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// Directories of what logical decoding keeps.
const (
	mappingsDir  = "pg_logical/mappings"
	snapshotsDir = "pg_logical/snapshots"
	slotsDir     = "pg_replslot"
)

// RewriteMapping is a piece of a file that says where tuples of a catalog went when their table was rewritten
// (src/backend/access/heap/rewriteheap.c).
type RewriteMapping struct {
	Database   uint32 // 0 for a shared relation
	Relation   uint32 // object id
	StartLSN   xlog.LSN
	MappedXID  uint32
	CreatedXID uint32 // of the rewriting transaction
	Offset     int64  // in the file, in bytes
	Data       []byte
}

// name is LOGICAL_REWRITE_FORMAT.
func (m *RewriteMapping) name() string {
	return fmt.Sprintf("map-%x-%x-%X_%X-%x-%x", m.Database, m.Relation, uint32(m.StartLSN>>32), uint32(m.StartLSN),
		m.MappedXID, m.CreatedXID)
}

// WriteRewriteMapping writes a piece of a file of mappings, and cuts off what was behind it
// (heap_xlog_logical_rewrite).
func (d *DataDir) WriteRewriteMapping(m *RewriteMapping) (err error) {
	perm, err := FileMode(d.fsys, d.Path)
	if err != nil {
		return err
	}
	f, err := d.fsys.OpenFile(filepath.Join(d.Path, mappingsDir, m.name()), os.O_CREATE|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(m.Offset); err != nil {
		return err
	}
	if _, err := f.WriteAt(m.Data, m.Offset); err != nil {
		return err
	}
	return f.Sync()
}

// CheckpointDecoding removes what logical decoding has no use for (CheckPointSnapBuild in
// src/backend/replication/logical/snapbuild.c, CheckPointLogicalRewriteHeap): all of it, unless there are replication
// slots, which are not looked into.
func (d *DataDir) CheckpointDecoding() error {
	slots, err := d.list(slotsDir)
	if err != nil || len(slots) > 0 {
		return err
	}
	if err := d.removeFiles(snapshotsDir, func(name string) bool {
		var hi, lo uint32
		n, _ := fmt.Sscanf(name, "%X-%X.snap", &hi, &lo)
		return n == 2
	}); err != nil {
		return err
	}
	return d.removeFiles(mappingsDir, func(name string) bool { return strings.HasPrefix(name, "map-") })
}

// list is the entries of a directory of the data directory, none when it does not exist.
func (d *DataDir) list(dir string) ([]fs.DirEntry, error) {
	entries, err := d.fsys.ReadDir(filepath.Join(d.Path, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// removeFiles removes regular files from a directory, durably.
func (d *DataDir) removeFiles(dir string, match func(name string) bool) error {
	entries, err := d.list(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, e := range entries {
		if !e.Type().IsRegular() || !match(e.Name()) {
			continue
		}
		if err := d.fsys.Remove(filepath.Join(d.Path, dir, e.Name())); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return d.fsys.SyncDir(filepath.Join(d.Path, dir))
}

// Dir is the data directory that the Store is of.
func (s *Store) Dir() *DataDir { return s.dir }
