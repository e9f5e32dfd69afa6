// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// A SignalFile is an empty file by whose presence a data directory says how the next start is to recover.
type SignalFile string

// The signal files (src/include/access/xlog.h). When both are there, StandbySignal counts.
const (
	StandbySignal  SignalFile = "standby.signal"  // recover for ever, as a standby
	RecoverySignal SignalFile = "recovery.signal" // recover to the recovery target, then promote
)

// Exists tells whether the data directory has the file.
func (s SignalFile) Exists(fsys vfs.FS, dir string) (bool, error) {
	return vfs.Exists(fsys, filepath.Join(dir, string(s)))
}

// Create makes the file, durably. It is no error that it is there.
func (s SignalFile) Create(fsys vfs.FS, dir string) error {
	perm, err := FileMode(fsys, dir)
	if err != nil {
		return err
	}
	if err := writeSynced(fsys, filepath.Join(dir, string(s)), 0, nil, perm); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// Remove removes the file, durably. It is no error that there is none.
func (s SignalFile) Remove(fsys vfs.FS, dir string) error {
	return removeDurably(fsys, filepath.Join(dir, string(s)))
}
