// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
)

// The four answers to the question why there is no further record. A Reader gives one of them inside an *EndError;
// test with errors.Is.
var (
	// ErrZeroed: nothing was ever written where the next record would begin. The bytes from there to the end of
	// its page are zero, or the page is all zero, or it is what a recycled segment held before (a valid page with an
	// earlier address), or the source has no bytes from there on (io.EOF, or fs.ErrNotExist for a segment). The log
	// ends cleanly.
	ErrZeroed = errors.New("end of WAL: nothing was written here")
	// ErrTorn: something began to be written and its end is missing: a record or a page header that stops at the end
	// of the source or before a page that is zero, recycled, or prepared and not filled; a record that fails a check
	// while its last bytes, and all after them in its page, are zero; a page that is zero but for a bad header; a hole
	// of zeros with bytes after it. This is how a crash leaves the log.
	ErrTorn = errors.New("end of WAL: torn record")
	// ErrCorrupt: bytes that no server writes: a page header, a record header, a chain or a checksum that is wrong
	// in any other way. A write that was torn inside a page of a recycled segment leaves old records in the place of
	// zeros and looks no different from this.
	ErrCorrupt = errors.New("corrupt WAL")
	// ErrIO: the source failed to read. The source's error is in the chain too.
	ErrIO = errors.New("cannot read WAL")
)

// ErrNeedMore says that a fed Reader has used up its bytes. It is not an end of the log.
var ErrNeedMore = errors.New("more WAL bytes are needed")

// EndError says where and why there is no further record.
type EndError struct {
	Kind error // ErrZeroed, ErrTorn, ErrCorrupt or ErrIO
	// LSN is the end of the good part of the log: where the last valid record ends, or where reading began.
	LSN LSN
	// At is the position that showed the trouble: of a record or of a page header.
	At       LSN
	Timeline TimelineID // of the last page that was read; 0 when there was none

	// Aborted and MissingContrecord are set when a record that spans pages could not be put together: where it
	// begins, and the page that should have gone on with it. A server that recovers from this log writes
	// XLOG_OVERWRITE_CONTRECORD on that page.
	Aborted           LSN
	MissingContrecord LSN

	Err error // what was seen
}

// Error implements error.
func (e *EndError) Error() string {
	s := fmt.Sprintf("%v at %s", e.Kind, e.At)
	if e.Timeline != 0 {
		s += fmt.Sprintf(" on timeline %d", e.Timeline)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the kind and the cause.
func (e *EndError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
