// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"io"
	"io/fs"
	"strconv"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// pageChecker looks at the checksums of the pages that are sent (read_file_data_into_buffer and verify_page_checksum in
// src/backend/backup/basebackup.c).
type pageChecker struct {
	blockSize int
	segment   uint32   // blocks in a file of a relation
	start     xlog.LSN // of the backup
	warn      func(*protocol.Error)
	failures  int
}

// newPageChecker is nil where nothing is checked: there are no checksums, the client does not want it, or files may consist
// of something else than pages, as Greenplum's append-optimized tables do.
func newPageChecker(o *backupOptions, c *pgdata.ControlFile, f xlog.Flavour, warn func(*protocol.Error)) *pageChecker {
	if o.NoVerifyChecksums || c.DataChecksumVersion == 0 || f != xlog.PostgreSQL {
		return nil
	}
	return &pageChecker{
		blockSize: int(c.Blcksz), segment: c.RelsegSize, start: c.CheckPointCopy.Redo, warn: warn,
	}
}

// checkedFile is a file of pages; nil is any other.
type checkedFile struct {
	*pageChecker
	name     string
	reread   io.ReaderAt // nil: pages cannot be read again
	first    uint32      // block of the relation with which the file begins
	block    uint32      // of the file, that comes next
	failures int
}

// file begins a file. c may be nil.
func (c *pageChecker) file(name string, f fs.File) *checkedFile {
	segment, ok := hasPages(name)
	if c == nil || !ok {
		return nil
	}
	n := uint64(0)
	if segment != "" {
		n, _ = strconv.ParseUint(segment, 10, 32)
	}
	reread, _ := f.(io.ReaderAt)
	return &checkedFile{pageChecker: c, name: name, reread: reread, first: uint32(n) * c.segment}
}

// pages checks the pages that come next. One that is torn, because it was written just now, is read again; then its LSN
// says that the log has it. What is no whole page is not checked.
func (f *checkedFile) pages(p []byte) error {
	if f == nil {
		return nil
	}
	for ; len(p) >= f.blockSize; p = p[f.blockSize:] {
		page := bufpage.Page(p[:f.blockSize])
		if !f.right(page) {
			if err := f.again(page); err != nil {
				return err
			}
			if !f.right(page) {
				f.failed(page)
			}
		}
		f.block++
	}
	return nil
}

// right tells whether a page is as it should be, or will be.
func (f *checkedFile) right(page bufpage.Page) bool {
	return page.IsNew() || page.LSN() >= f.start || page.HasChecksum(f.first+f.block)
}

func (f *checkedFile) again(page bufpage.Page) error {
	if f.reread == nil {
		return nil
	}
	_, err := f.reread.ReadAt(page, int64(f.block)*int64(f.blockSize))
	if err == io.EOF { // cut off since then
		clear(page)
		return nil
	}
	return err
}

const toldFailures = 5 // of a file

// failed tells the client about a page.
func (f *checkedFile) failed(page bufpage.Page) {
	f.failures++
	f.pageChecker.failures++
	if f.failures <= toldFailures {
		f.warn(warningf("checksum verification failed in file \"./%s\", block %d: calculated %X but expected %X",
			f.name, f.block, bufpage.Checksum(page, f.first+f.block), page.Checksum()))
	}
	if f.failures == toldFailures {
		f.warn(warningf("further checksum verification failures in file \"./%s\" will not be reported", f.name))
	}
}

// result is what is said after the end of the backup.
func (c *pageChecker) result() error {
	if c == nil || c.failures == 0 {
		return nil
	}
	if c.failures > 1 {
		c.warn(warningf("%d total checksum verification failures", c.failures))
	}
	return errorf(codeDataCorrupted, "checksum verification failure during base backup")
}

// SQLSTATEs of what is no error.
const (
	codeSuccessful = "00000"
	codeWarning    = "01000"
)

func noticef(format string, args ...any) *protocol.Error {
	e := errorf(codeSuccessful, format, args...)
	e.LocalizedSeverity, e.Severity = "NOTICE", "NOTICE"
	return e
}

func warningf(format string, args ...any) *protocol.Error {
	e := errorf(codeWarning, format, args...)
	e.LocalizedSeverity, e.Severity = "WARNING", "WARNING"
	return e
}
