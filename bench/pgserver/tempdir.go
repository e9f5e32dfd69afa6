// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	dirPrefix = "walmirror-pg-"
	lockName  = "lock"
)

// workDir is a directory that other users can look into, locked while its owner lives.
type workDir struct {
	path string
	lock *os.File
}

func newWorkDir() (*workDir, error) {
	parent, err := tempParent()
	if err != nil {
		return nil, err
	}
	sweepOnce(parent)
	path, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return nil, err
	}
	d := &workDir{path: path}
	if d.lock, err = lockFile(filepath.Join(path, lockName)); err == nil {
		err = os.Chmod(path, 0o755)
	}
	if err != nil {
		d.remove()
		return nil, err
	}
	return d, nil
}

// mkdir makes a directory in it that belongs to the servers' user.
func (d *workDir) mkdir(name string) (string, error) {
	path := filepath.Join(d.path, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", err
	}
	return path, Chown(path)
}

func (d *workDir) remove() error {
	err := os.RemoveAll(d.path)
	if d.lock != nil {
		d.lock.Close()
	}
	return err
}

// tempParent is the first temporary directory that the servers' user can reach.
func tempParent() (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if reachable(dir) == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("pgserver: no temporary directory that the servers' user can reach")
}

// reachable is an error when the servers' user, being another, may not pass through dir or a directory above it.
func reachable(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("pgserver: the servers' user cannot pass through %s (mode %v): use pgserver.TempDir",
				dir, info.Mode())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

var swept sync.Once

// sweepOnce removes the directories of processes that died without removing them: those whose lock is free.
func sweepOnce(parent string) {
	swept.Do(func() {
		dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
		for _, dir := range dirs {
			sweep(dir)
		}
	})
}

// sweep leaves a directory alone that is young, as it may not have its lock yet, or that has no lock file.
func sweep(dir string) {
	const young = time.Minute
	name := filepath.Join(dir, lockName)
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < young {
		return
	}
	lock, err := lockFile(name)
	if err != nil {
		return
	}
	defer lock.Close()
	_ = os.RemoveAll(dir)
}
