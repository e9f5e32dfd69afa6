// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// PIDFileName is the file by which a postmaster holds its data directory (DIRECTORY_LOCK_FILE).
const PIDFileName = "postmaster.pid"

// LockedError says who works on a data directory. errors.Is finds vfs.ErrLocked in it.
type LockedError struct {
	Path   string // of the lock file
	PID    int    // 0 when the file does not say
	Reason string
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data directory is in use: %s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("data directory is in use: %s: %s (PID %d)", e.Path, e.Reason, e.PID)
}

func (e *LockedError) Unwrap() error { return vfs.ErrLocked }

// A Lock is a hold on a data directory through postmaster.pid, the file that PostgreSQL itself uses: while it is
// there and our process lives, a postmaster refuses to start on the directory, and pg_ctl finds our process (status
// says it runs, stop -m fast sends it SIGINT, reload SIGHUP, promote SIGUSR1). After a crash the file is stale, and
// PostgreSQL and Acquire take it over.
//
// PostgreSQL takes a process of another user for none of its own, so the program must run as the owner of the data
// directory. When it does not, its file is one that the owner cannot read, and the server refuses to start until
// the file is removed.
type Lock struct {
	fsys vfs.FS
	path string
	key  string
}

// heldHere are the lock files of this process: PostgreSQL's rule that our own process id means a stale file needs it.
var heldHere sync.Map

// lockTries bounds the races with others that make or remove the file, as in CreateLockFile.
const lockTries = 100

// Acquire takes hold of a data directory (CreateLockFile in src/backend/utils/init/miscinit.c). The port is what
// pg_ctl and other tools read in the file as the server's; 0 when there is none.
func Acquire(fsys vfs.FS, dir string, port int) (*Lock, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	key := abs
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		key = real
	}
	l := &Lock{fsys: fsys, path: filepath.Join(abs, PIDFileName), key: key}
	if _, held := heldHere.LoadOrStore(key, l); held {
		return nil, &LockedError{Path: l.path, PID: os.Getpid(), Reason: "held by this process"}
	}
	if err := l.create(abs, port); err != nil {
		heldHere.Delete(key)
		return nil, err
	}
	return l, nil
}

func (l *Lock) create(dir string, port int) error {
	perm, err := FileMode(l.fsys, dir)
	if err != nil {
		return err
	}
	content := fmt.Appendf(nil, "%d\n%s\n%d\n%d\n\n\n\n%s\n", os.Getpid(), dir, time.Now().Unix(), port, statusStandby)
	for range lockTries {
		err = writeSynced(l.fsys, l.path, os.O_EXCL, content, perm)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return errors.Join(err, ignoreNotExist(l.fsys.Remove(l.path)))
		}
		if err := l.removeStale(); err != nil {
			return err
		}
	}
	return err
}

// removeStale removes the file of a process that is gone. It fails when the process is there.
func (l *Lock) removeStale() error {
	text, err := readText(l.fsys, l.path)
	if err != nil {
		return ignoreNotExist(err) // gone meanwhile: try again
	}
	if len(text) == 0 {
		return &LockedError{Path: l.path, Reason: "the file is empty: a server is starting, or crashed while it started"}
	}
	p, err := ParsePIDFile(text)
	if err != nil {
		return &LockedError{Path: l.path, Reason: err.Error()}
	}
	if mayHold(p.PID) {
		return &LockedError{Path: l.path, PID: p.PID, Reason: "held by a running process"}
	}
	if p.ShmemKey != 0 && sharedMemoryInUse(p.ShmemKey, p.ShmemID) {
		return &LockedError{
			Path: l.path,
			Reason: fmt.Sprintf("the server is gone but processes of it still use its shared memory (key %d, ID %d)",
				p.ShmemKey, p.ShmemID),
		}
	}
	return ignoreNotExist(l.fsys.Remove(l.path))
}

// Check says whether the file is still ours. PostgreSQL looks once a minute and stops at once when it is not
// (RecheckDataDirLockFile).
func (l *Lock) Check() error {
	text, err := readText(l.fsys, l.path)
	if err != nil {
		return fmt.Errorf("lost hold of the data directory: %w", err)
	}
	if p, err := ParsePIDFile(text); err != nil || p.PID != os.Getpid() {
		return fmt.Errorf("lost hold of the data directory: %s is no longer ours", l.path)
	}
	return nil
}

// Close gives the data directory free. A file that is no longer ours stays.
func (l *Lock) Close() error {
	defer heldHere.Delete(l.key)
	if l.Check() != nil {
		return nil
	}
	return ignoreNotExist(l.fsys.Remove(l.path))
}

// PIDFile is the content of a postmaster.pid (src/include/utils/pidfile.h). A server adds the lines from the fifth on
// while it starts, so they may be missing.
type PIDFile struct {
	PID        int // of the postmaster
	Standalone bool
	DataDir    string
	StartTime  int64 // seconds since 1970
	Port       int
	SocketDir  string
	ListenAddr string
	ShmemKey   uint64 // of the server's System V shared memory; 0 when the file does not say
	ShmemID    int
	Status     string // starting, stopping, ready or standby
}

// statusStandby is what a server writes that does not accept connections (PM_STATUS_STANDBY).
const statusStandby = "standby "

// ParsePIDFile reads a postmaster.pid. Only the first line must be there.
func ParsePIDFile(text []byte) (*PIDFile, error) {
	lines := strings.Split(string(text), "\n")
	line := func(i int) string {
		if i < len(lines) {
			return lines[i]
		}
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line(0)))
	if err != nil || pid == 0 {
		return nil, fmt.Errorf("bogus data in lock file: %q", bytes.TrimSpace(text[:min(len(text), 80)]))
	}
	p := &PIDFile{PID: pid, DataDir: line(1), SocketDir: line(4), ListenAddr: line(5)}
	if pid < 0 { // written by a standalone backend
		p.PID, p.Standalone = -pid, true
	}
	p.StartTime, _ = strconv.ParseInt(line(2), 10, 64)
	p.Port, _ = strconv.Atoi(line(3))
	if f := strings.Fields(line(6)); len(f) == 2 {
		p.ShmemKey, _ = strconv.ParseUint(f[0], 10, 64)
		p.ShmemID, _ = strconv.Atoi(f[1])
	}
	p.Status = strings.TrimSpace(line(7))
	return p, nil
}

// ReadPIDFile reads the postmaster.pid of a data directory. It is fs.ErrNotExist when there is none.
func ReadPIDFile(fsys vfs.FS, dir string) (*PIDFile, error) {
	path := filepath.Join(dir, PIDFileName)
	text, err := readText(fsys, path)
	if err != nil {
		return nil, err
	}
	p, err := ParsePIDFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
