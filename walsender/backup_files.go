// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// backupWalk goes through the files of a data directory or of a tablespace in the order of their names, and leaves out
// what no backup has (sendDir in src/backend/backup/basebackup.c).
type backupWalk struct {
	ctx     context.Context
	files   fs.FS
	main    bool // it is the data directory
	flavour xlog.Flavour
	spaces  []BackupTablespace // those inside of the data directory are archives of their own
	links   bool               // those in pg_tblspc are sent
	exclude []string           // of Greenplum's EXCLUDE
	wal     []string           // directories that are made in pg_wal
	visit   func(m backupMember) error
	special func(name string) // is told of what is no file, directory or link
}

// backupMember is something to send.
type backupMember struct {
	tarMember
	info fs.FileInfo
}

// dir goes through a directory that may have vanished.
func (w *backupWalk) dir(dir string) error {
	entries, err := fs.ReadDir(w.files, dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return nil
	}
	if err != nil {
		return err
	}
	var skip map[string]bool
	database := databaseDirectory.MatchString(dir)
	if database {
		skip = unlogged(entryNames(entries))
	}
	for _, e := range entries {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		if excluded(e.Name()) || database && skipsRelation(e.Name(), skip) {
			continue
		}
		if err := w.entry(path.Join(dir, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

// version goes through the directory of a tablespace that is this server's.
func (w *backupWalk) version(t *BackupTablespace) error {
	info, err := fs.Stat(w.files, t.Version)
	if errors.Is(err, fs.ErrNotExist) { // it was dropped just now
		return nil
	}
	if err != nil {
		return err
	}
	return w.tree(backupMember{tarMember{name: t.Version, mode: info.Mode(), mtime: info.ModTime()}, info})
}

func entryNames(entries []fs.DirEntry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// entry visits one entry of a directory.
func (w *backupWalk) entry(name string, e fs.DirEntry) error {
	if w.main && name == pgdata.ControlFileName || slices.Contains(w.exclude, "./"+name) {
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m := backupMember{tarMember{name: name, mode: info.Mode(), size: info.Size(), mtime: info.ModTime()}, info}
	switch {
	case w.main && name == pgdata.WALDir:
		return w.walDirectory(m)
	case sentEmpty(e.Name(), w.flavour):
		return w.directory(m)
	case info.IsDir():
		return w.tree(m)
	case info.Mode().IsRegular():
		return w.visit(m)
	case w.main && path.Dir(name) == tablespacesDir && info.Mode()&fs.ModeSymlink != 0:
		return w.link(m)
	}
	w.special(name)
	return nil
}

// directory visits only the directory itself. One that is a link somewhere else becomes a directory.
func (w *backupWalk) directory(m backupMember) error {
	if m.info.Mode()&fs.ModeSymlink != 0 {
		m.mode = 0o700
	}
	m.dir = true
	return w.visit(m)
}

// tree visits a directory with what is in it.
func (w *backupWalk) tree(m backupMember) error {
	if err := w.directory(m); err != nil {
		return err
	}
	if slices.ContainsFunc(w.spaces, func(t BackupTablespace) bool { return t.Inside == m.name }) {
		return nil
	}
	return w.dir(m.name)
}

// walDirectory visits pg_wal without the log.
func (w *backupWalk) walDirectory(m backupMember) error {
	if err := w.directory(m); err != nil {
		return err
	}
	for _, name := range w.wal {
		sub := m
		sub.name = path.Join(pgdata.WALDir, name)
		if err := w.directory(sub); err != nil {
			return err
		}
	}
	return nil
}

// link visits the link to a tablespace. One that is new is in no archive: the log has it.
func (w *backupWalk) link(m backupMember) error {
	for _, t := range w.spaces {
		if w.links && t.name() == m.name {
			m.tarMember.link = t.Location
			return w.visit(m)
		}
	}
	return nil
}

// backupSize adds up what members take in an archive.
func backupSize(total *int64) func(backupMember) error {
	return func(m backupMember) error {
		*total += tarBlock
		if !m.dir && m.tarMember.link == "" {
			*total += m.size + tarPadding(m.size)
		}
		return nil
	}
}
