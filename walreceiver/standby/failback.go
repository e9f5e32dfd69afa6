// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// An OldDirectoryError says that the directory for a new standby holds a data directory, such as the former coordinator's
// that is to become a standby of its successor. It is never overwritten. errors.Is finds walreceiver.ErrNotEmpty in it.
type OldDirectoryError struct {
	Dir      string
	SystemID uint64
	Timeline xlog.TimelineID
	State    pgdata.DBState
	Same     bool // it is of the same system as the server that the standby is to follow
}

func (e *OldDirectoryError) Error() string {
	text := fmt.Sprintf("%s holds the data directory of system %d, timeline %s, %q; nothing was changed", e.Dir, e.SystemID,
		e.Timeline, e.State)
	if !e.Same {
		return text + ". It belongs to another system than the primary: give the standby another directory"
	}
	return text + ". If it is the former coordinator's, keep it until the new standby has caught up: " +
		"--set-aside renames it to " + e.Dir + ".old first, or give the standby another directory"
}

func (e *OldDirectoryError) Unwrap() error { return walreceiver.ErrNotEmpty }

// makeRoom looks at the directory for a new standby of the system id. A data directory there is an OldDirectoryError, or is
// renamed with aside; the new name is returned.
func makeRoom(dir string, id uint64, aside bool) (string, error) {
	old, err := pgdata.Open(vfs.OS, dir)
	if err != nil {
		return "", nil // it is missing, empty, or the base backup says what is wrong with it
	}
	if !aside || old.SystemID != id {
		return "", &OldDirectoryError{
			Dir: dir, SystemID: old.SystemID, Timeline: old.Control.CheckPointCopy.ThisTimeLineID,
			State: old.Control.State, Same: old.SystemID == id,
		}
	}
	return setAside(old)
}

// setAside gives a data directory that nobody works on another name beside it, durably.
func setAside(old *pgdata.DataDir) (string, error) {
	lock, err := old.Lock(0)
	if err != nil {
		return "", err
	}
	to, err := freeName(old.Path + ".old")
	if err == nil {
		err = os.Rename(old.Path, to)
	}
	if err != nil {
		return "", errors.Join(err, lock.Close())
	}
	// The lock went along: it is at the new place.
	return to, errors.Join(lock.Close(), removeIfThere(filepath.Join(to, pgdata.PIDFileName)), vfs.OS.SyncDir(filepath.Dir(to)))
}

// freeName is name, or name.2 and so on, whichever is not there yet.
func freeName(name string) (string, error) {
	for n := 1; ; n++ {
		candidate := name
		if n > 1 {
			candidate = fmt.Sprintf("%s.%d", name, n)
		}
		if _, err := os.Lstat(candidate); errors.Is(err, fs.ErrNotExist) {
			return candidate, nil
		} else if err != nil {
			return "", err
		}
	}
}

// identify asks the server at conninfo what it is, and which system's.
func identify(ctx context.Context, conninfo string) (xlog.Flavour, uint64, error) {
	conn, err := walreceiver.Connect(ctx, conninfo, walreceiver.ConnectOptions{ApplicationName: ApplicationName})
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	sys, err := conn.IdentifySystem(ctx)
	return conn.Server().Flavour, sys.SystemID, err
}
