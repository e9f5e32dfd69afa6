// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"hash"
	"io"
	"io/fs"
	"path"
	"time"
)

// archive is one archive that is being sent (sendFile and sendFileWithContent in src/backend/backup/basebackup.c).
type archive struct {
	tarWriter
	files    fs.FS
	prefix   string // of names in the manifest: pg_tblspc/OID of a tablespace
	manifest *manifest
	checksum string
	pages    *pageChecker // nil: checksums of pages are not looked at
	buf      []byte
}

const backupRead = 256 << 10 // how much of a file is read at once, a multiple of every block size

// member sends a member, and with a file its content.
func (a *archive) member(m backupMember) error {
	if m.dir || m.link != "" {
		return a.begin(m.tarMember)
	}
	f, err := a.files.Open(m.name)
	if errors.Is(err, fs.ErrNotExist) { // it vanished, and the log says so
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.begin(m.tarMember); err != nil {
		return err
	}
	sum := checksums[a.checksum]()
	if err := a.copy(f, m, sum); err != nil {
		return err
	}
	a.manifest.add(path.Join(a.prefix, m.name), m.size, m.mtime, sum)
	return nil
}

// copy sends exactly as much of a file as its header says. What was added since then the log has; what was cut off since
// then becomes zeros, and is cut off again by the log.
func (a *archive) copy(f fs.File, m backupMember, sum hash.Hash) error {
	check := a.pages.file(m.name, f)
	for left := m.size; left > 0; {
		n, err := io.ReadFull(f, a.buf[:min(left, int64(len(a.buf)))])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		if n == 0 {
			return a.zeros(left, m.size, sum)
		}
		p := a.buf[:n]
		if err := check.pages(p); err != nil {
			return err
		}
		if err := a.data(p, sum); err != nil {
			return err
		}
		left -= int64(n)
	}
	return a.pad(tarPadding(m.size))
}

func (a *archive) data(p []byte, sum hash.Hash) error {
	if sum != nil {
		sum.Write(p)
	}
	_, err := a.Write(p)
	return err
}

// zeros sends zeros in the place of the last bytes of a file of a size.
func (a *archive) zeros(left, size int64, sum hash.Hash) error {
	for left > 0 {
		p := zeros[:min(left, int64(len(zeros)))]
		if err := a.data(p, sum); err != nil {
			return err
		}
		left -= int64(len(p))
	}
	return a.pad(tarPadding(size))
}

// content sends a file that is made here.
func (a *archive) content(name string, content []byte) error {
	now := time.Now()
	if err := a.begin(tarMember{name: name, mode: 0o600, size: int64(len(content)), mtime: now}); err != nil {
		return err
	}
	sum := checksums[a.checksum]()
	if err := a.data(content, sum); err != nil {
		return err
	}
	a.manifest.add(name, int64(len(content)), now, sum)
	return a.pad(tarPadding(int64(len(content))))
}
