// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// Error says which record could not be redone.
type Error struct {
	LSN    xlog.LSN // begin of the record
	Record string   // the record as pg_waldump prints it
	Err    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("cannot redo the record at %s: %v; the record: %s", e.LSN, e.Err, e.Record)
}

func (e *Error) Unwrap() error { return e.Err }

func (r *Redo) fail(err error) error {
	line, lineErr := r.decoder.AppendLine(nil, r.rec, true)
	if lineErr != nil {
		line = fmt.Appendf(line, "(%v)", lineErr)
	}
	return &Error{LSN: r.rec.LSN, Record: string(line), Err: err}
}
