// SPDX-License-Identifier: Apache-2.0

package pgreplay

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// ColdCopy stops a server, copies its data directory without its log to dir, and starts it again.
func ColdCopy(s *pgserver.Server, dir string) error {
	if err := s.Stop(pgserver.Fast); err != nil {
		return err
	}
	if err := copyTree(s.DataDir, dir); err != nil {
		return err
	}
	return s.Start()
}

// left are the names in a data directory that a copy has no use for.
var left = map[string]bool{pgdata.WALDir: true, "postmaster.pid": true, "postmaster.opts": true}

// copyTree copies a data directory. Links stay links.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case left[rel] && d.IsDir():
			return fs.SkipDir
		case left[rel]:
			return nil
		case d.IsDir():
			return os.Mkdir(target, 0o700)
		case d.Type()&fs.ModeSymlink != 0:
			return copyLink(name, target)
		}
		return pgserver.CopyFile(name, target)
	})
}

func copyLink(name, target string) error {
	to, err := os.Readlink(name)
	if err != nil {
		return err
	}
	return os.Symlink(to, target)
}

// directories are the paths of those in dir.
func directories(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if e.IsDir() {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, nil
}
