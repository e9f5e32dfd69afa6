// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog/vfs"
)

const (
	controlFile = "global/pg_control"
	// controlFileTemp is the control file's name until everything else is durable.
	controlFileTemp = controlFile + ".walmirror"
)

// fileModes are the permissions of a data directory: the server's data_directory_mode decides whether its group may
// read it (src/common/file_perm.c).
type fileModes struct{ dir, file fs.FileMode }

var (
	ownerModes = fileModes{vfs.DirMode, vfs.FileMode}
	groupModes = fileModes{0o750, 0o640}
)

// unpacker writes the archives of one backup. Names are resolved inside the directory that they belong to, and no
// symbolic link is made while archives are unpacked, so a name can lead nowhere else.
type unpacker struct {
	modes     fileModes
	sums      *checksumLog // nil without a manifest
	sync      *fileSyncer
	keep      func(name string) bool     // which files are written; nil: all
	onLink    func(m tarMember) error    // a symbolic link of the data directory's archive
	progress  func(file string, n int64) // archive bytes since the last call; file is set when one begins
	reported  int64                      // of the current archive
	files     int
	bytes     int64 // contents of files
	left      int   // files that were not written
	leftBytes int64
	control   bool // the control file has been here
	buf       []byte
	archives  []*unpacked
}

// unpacked remembers which directories of an archive must be synced.
type unpacked struct {
	dir  *backupDir
	dirs []string
}

// unpackSize is how much is written at a time.
const unpackSize = 256 << 10

// target is where one archive goes.
type target struct {
	dir    *backupDir
	prefix string          // of names in the manifest, with its slash; empty for the data directory
	made   map[string]bool // directories that are there before the archive, or nil
	base   bool            // the data directory
}

// Unpack reads one archive to its end.
func (u *unpacker) Unpack(r io.Reader, t target) error {
	tr := newTarReader(r)
	done := &unpacked{dir: t.dir, dirs: []string{"."}}
	u.archives = append(u.archives, done)
	if u.buf == nil {
		u.buf = make([]byte, unpackSize)
	}
	u.reported = 0
	for {
		m, err := tr.Next()
		u.report("", tr)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.member(tr, m, t, done); err != nil {
			return fmt.Errorf("%s%s: %w", t.prefix, m.Name, err)
		}
	}
}

func (u *unpacker) member(tr *tarReader, m tarMember, t target, done *unpacked) error {
	switch {
	case m.Kind == tarDirectory:
		done.dirs = append(done.dirs, m.Name)
		return u.directory(m.Name, t)
	case m.Kind == tarFile:
		return u.file(tr, m, t)
	case t.base:
		return u.onLink(m)
	}
	return fmt.Errorf("%w: a symbolic link in a tablespace", ErrArchive)
}

func (u *unpacker) directory(name string, t target) error {
	err := t.dir.root.Mkdir(filepath.FromSlash(name), u.modes.dir)
	if err != nil && !(errors.Is(err, fs.ErrExist) && t.made[name]) {
		return err
	}
	return t.dir.root.Chmod(filepath.FromSlash(name), u.modes.dir)
}

// file writes one file and hands it on to be synced.
func (u *unpacker) file(tr *tarReader, m tarMember, t target) error {
	u.report(t.prefix+m.Name, tr)
	if u.keep != nil && !u.keep(t.prefix+m.Name) {
		return u.leave(tr, m, t)
	}
	name := m.Name
	if t.base && name == controlFile {
		name, u.control = controlFileTemp, true
	}
	f, err := t.dir.root.OpenFile(filepath.FromSlash(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, u.modes.file)
	if err != nil {
		return err
	}
	sum := u.sums.newHash()
	if err := u.contents(f, tr, sum); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Chmod(u.modes.file); err != nil {
		return errors.Join(err, f.Close())
	}
	u.files++
	u.bytes += m.Size
	u.sums.add(t.prefix+m.Name, m.Size, sum)
	return u.sync.Add(f)
}

// leave reads a file that is not written.
func (u *unpacker) leave(tr *tarReader, m tarMember, t target) error {
	sum := u.sums.newHash()
	if err := u.contents(io.Discard, tr, sum); err != nil {
		return err
	}
	u.left++
	u.leftBytes += m.Size
	u.sums.add(t.prefix+m.Name, m.Size, sum)
	return nil
}

func (u *unpacker) contents(f io.Writer, tr *tarReader, sum hash.Hash) error {
	for tr.left > 0 {
		n, err := io.ReadFull(tr, u.buf[:min(int64(len(u.buf)), tr.left)])
		if err != nil {
			return err
		}
		if sum != nil {
			sum.Write(u.buf[:n])
		}
		if _, err := f.Write(u.buf[:n]); err != nil {
			return err
		}
		u.report("", tr)
	}
	return nil
}

func (u *unpacker) report(file string, tr *tarReader) {
	u.progress(file, tr.offset-u.reported)
	u.reported = tr.offset
}

// syncDirs makes the names of everything that was unpacked durable.
func (u *unpacker) syncDirs() error {
	for _, a := range u.archives {
		for _, name := range a.dirs {
			if err := a.dir.syncDir(filepath.FromSlash(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrMismatch says that what arrived is not what the server read: a file is missing, too long, too short, or its
// checksum differs from the manifest's.
var ErrMismatch = errors.New("backup does not match its manifest")

// checksumLog keeps size and checksum of each file until the manifest arrives behind them: some 150 bytes a file.
// A nil log keeps nothing.
type checksumLog struct {
	algorithm ChecksumAlgorithm
	files     map[string]fileSum
}

type fileSum struct {
	size int64
	sum  string
}

func newChecksumLog(a ChecksumAlgorithm) *checksumLog {
	return &checksumLog{algorithm: a, files: map[string]fileSum{}}
}

func (l *checksumLog) newHash() hash.Hash {
	if l == nil {
		return nil
	}
	return l.algorithm.newHash()
}

func (l *checksumLog) add(name string, size int64, sum hash.Hash) {
	if l == nil {
		return
	}
	s := fileSum{size: size}
	if sum != nil {
		s.sum = string(sum.Sum(nil))
	}
	l.files[name] = s
}

// check compares a manifest's entry with the file that was written, and forgets it.
func (l *checksumLog) check(f ManifestFile) error {
	got, ok := l.files[f.Path]
	switch {
	case !ok:
		return fmt.Errorf("%w: %q is in the manifest, but did not arrive or is there twice", ErrMismatch, f.Path)
	case got.size != f.Size:
		return fmt.Errorf("%w: %q has %d bytes, should have %d", ErrMismatch, f.Path, got.size, f.Size)
	case f.Algorithm != l.algorithm:
		return fmt.Errorf("%w: %q has a checksum by %s, asked for was %s", ErrMismatch, f.Path, f.Algorithm, l.algorithm)
	case got.sum != string(f.Checksum):
		return fmt.Errorf("%w: %q has %s checksum %x, should be %x", ErrMismatch, f.Path, f.Algorithm, got.sum, f.Checksum)
	}
	delete(l.files, f.Path)
	return nil
}

// checkRest looks for files that the manifest does not know. WAL that was asked for with the backup is not in it.
func (l *checksumLog) checkRest() error {
	for name := range l.files {
		if dir := path.Dir(name); dir != "pg_wal" {
			return fmt.Errorf("%w: %q arrived, but is not in the manifest", ErrMismatch, name)
		}
	}
	return nil
}
