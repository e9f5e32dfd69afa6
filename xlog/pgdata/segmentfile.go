// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"cmp"
	"container/list"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// fileKey is a file of a relation.
type fileKey struct {
	db     *database
	number uint64
	segmentName
}

// path is the file's path: NUMBER[_FORK][.SEGMENT] (src/common/relpath.c, _mdfd_segpath in
// src/backend/storage/smgr/md.c).
func (k fileKey) path() string {
	name := strconv.AppendUint(append([]byte(k.db.path), filepath.Separator), k.number, 10)
	if k.fork != xlog.MainFork {
		name = append(append(name, '_'), k.fork.String()...)
	}
	if k.segment != 0 {
		name = strconv.AppendUint(append(name, '.'), uint64(k.segment), 10)
	}
	return string(name)
}

func compareFiles(a, b fileKey) int {
	return cmp.Or(
		cmp.Compare(a.db.key.tablespace, b.db.key.tablespace), cmp.Compare(a.db.key.database, b.db.key.database),
		cmp.Compare(a.number, b.number), cmp.Compare(a.fork, b.fork), cmp.Compare(a.segment, b.segment),
	)
}

// segmentFiles are the files of relations: those that are open, and what of them is not durable yet.
type segmentFiles struct {
	fsys              vfs.FS
	filePerm, dirPerm fs.FileMode
	segmentSize       int64 // bytes of a full one

	open   map[fileKey]*list.Element // of recent
	recent list.List                 // *openFile, the one used last first

	unsynced unsynced
	syncing  map[fileKey]struct{} // what a Checkpoint syncs and was not removed since
	flight   flight
}

// unsynced is what is not durable yet.
type unsynced struct {
	files map[fileKey]struct{} // written
	paths map[string]struct{}  // files that are no fork's, written
	names map[string]struct{}  // directories in which names were made or removed
}

func newUnsynced() unsynced {
	return unsynced{make(map[fileKey]struct{}), make(map[string]struct{}), make(map[string]struct{})}
}

func (u *unsynced) keys() []fileKey {
	keys := make([]fileKey, 0, len(u.files))
	for key := range u.files {
		keys = append(keys, key)
	}
	return keys
}

type openFile struct {
	vfs.File
	key fileKey
}

// maxOpenFiles is how many files are kept open.
const maxOpenFiles = 500

func (c *segmentFiles) init(dir *DataDir, segmentSize int64) error {
	perm, err := FileMode(dir.fsys, dir.Path)
	if err != nil {
		return err
	}
	*c = segmentFiles{
		fsys: dir.fsys, filePerm: perm, dirPerm: perm | perm>>2&0o111, segmentSize: segmentSize,
		open: make(map[fileKey]*list.Element), unsynced: newUnsynced(),
	}
	return nil
}

func (c *segmentFiles) close() (err error) {
	for key := range c.open {
		err = errors.Join(err, c.shut(key))
	}
	return err
}

// file gives a file, open; flag says what is to happen when there is none.
func (c *segmentFiles) file(key fileKey, flag int) (vfs.File, error) {
	if err := c.landed(key); err != nil {
		return nil, err
	}
	if e := c.open[key]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(*openFile), nil
	}
	if c.recent.Len() >= maxOpenFiles {
		if err := c.shut(c.recent.Back().Value.(*openFile).key); err != nil {
			return nil, err
		}
	}
	f, err := c.fsys.OpenFile(key.path(), os.O_RDWR|flag, c.filePerm)
	if err != nil {
		return nil, err
	}
	c.open[key] = c.recent.PushFront(&openFile{f, key})
	return f, nil
}

// shut closes a file if it is open.
func (c *segmentFiles) shut(key fileKey) error {
	e := c.open[key]
	if e == nil {
		return nil
	}
	err := c.landed(key)
	delete(c.open, key)
	return errors.Join(err, c.recent.Remove(e).(*openFile).Close())
}

// create makes a file; it is no error that it exists.
func (c *segmentFiles) create(key fileKey) error {
	if _, err := c.file(key, os.O_CREATE); err != nil {
		return err
	}
	c.noteName(key.db.path)
	c.unsynced.files[key] = struct{}{}
	key.db.add(key.number, key.segmentName)
	return nil
}

// forWrite gives a file, open, to one who is going to change it.
func (c *segmentFiles) forWrite(key fileKey) (vfs.File, error) {
	f, err := c.file(key, 0)
	if err == nil {
		c.unsynced.files[key] = struct{}{}
	}
	return f, err
}

func (c *segmentFiles) write(key fileKey, p []byte, at int64) error {
	f, err := c.forWrite(key)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(p, at)
	return err
}

// resize sets the length of a file in bytes.
func (c *segmentFiles) resize(key fileKey, size int64) error {
	f, err := c.forWrite(key)
	if err != nil {
		return err
	}
	return f.Truncate(size)
}

// unlink removes a file; it is no error that there is none.
func (c *segmentFiles) unlink(key fileKey) error {
	if err := c.shut(key); err != nil {
		return err
	}
	path := key.path()
	delete(c.unsynced.files, key)
	delete(c.syncing, key)
	delete(c.unsynced.paths, path)
	key.db.remove(key.number, key.segmentName)
	c.noteName(key.db.path)
	return ignoreNotExist(c.fsys.Remove(path))
}

// size is the length of a file in bytes.
func (c *segmentFiles) size(key fileKey) (int64, error) {
	if err := c.landed(key); err != nil {
		return 0, err
	}
	st, err := c.fsys.Stat(key.path())
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// noteName says that a name in a directory was made or removed.
func (c *segmentFiles) noteName(dir string) { c.unsynced.names[dir] = struct{}{} }

// leave forgets the files in a directory, which are going to be removed or are gone.
func (c *segmentFiles) leave(db *database) (err error) {
	for key := range c.open {
		if key.db == db {
			err = errors.Join(err, c.shut(key))
		}
	}
	for _, files := range []map[fileKey]struct{}{c.unsynced.files, c.syncing} {
		for key := range files {
			if key.db == db {
				delete(files, key)
			}
		}
	}
	for path := range c.unsynced.paths {
		if below(path, db.path) {
			delete(c.unsynced.paths, path)
		}
	}
	delete(c.unsynced.names, db.path)
	return errors.Join(err, c.allLanded())
}

// put gives a small file its content.
func (c *segmentFiles) put(path string, content []byte) error {
	f, err := c.fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, c.filePerm)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	c.notePath(path)
	return errors.Join(err, f.Close())
}

// notePath says that a file was made and written that is to be synced, and its name as well.
func (c *segmentFiles) notePath(path string) {
	c.unsynced.paths[path] = struct{}{}
	c.noteName(filepath.Dir(path))
}

// below tells whether a path is in a directory.
func below(path, dir string) bool { return strings.HasPrefix(path, dir+string(filepath.Separator)) }

// sync makes everything durable.
func (c *segmentFiles) sync() error {
	keys := c.unsynced.keys()
	slices.SortFunc(keys, compareFiles)
	for _, key := range keys {
		f, err := c.file(key, 0)
		if err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := c.syncNames(c.unsynced); err != nil {
		return err
	}
	c.unsynced = newUnsynced()
	return nil
}

// syncNames syncs what is no fork's.
func (c *segmentFiles) syncNames(u unsynced) error {
	for path := range u.paths {
		if err := ignoreNotExist(c.syncPath(path)); err != nil { // it may have been removed
			return err
		}
	}
	for dir := range u.names {
		if err := ignoreNotExist(c.fsys.SyncDir(dir)); err != nil { // it may have been removed itself
			return err
		}
	}
	return nil
}

func (c *segmentFiles) syncPath(path string) error {
	f, err := c.fsys.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
