// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
)

// Verifier checks a stream of WAL as it passes: page headers, record headers, the chain and every CRC. It does not
// take payloads apart. What it holds on to between two pieces is the record that is not complete yet.
type Verifier struct {
	r *Reader
}

// NewVerifier makes a Verifier; the configuration's Source and Start are not used.
func NewVerifier(cfg ReaderConfig) *Verifier {
	cfg.Source, cfg.Start = nil, 0
	return &Verifier{r: NewReader(cfg)}
}

// Verify checks the bytes p of the stream, which begin at lsn, and returns the end of the last complete record. p may
// be reused afterwards. The rules for where a stream may begin are those of Reader.Feed. A server streams only what
// it has flushed, so that zeros or a torn record are as wrong here as anything else: the error is an *EndError of
// ErrCorrupt, whose LSN is the end of the last good record. It stays.
func (v *Verifier) Verify(lsn LSN, p []byte) (LSN, error) {
	if err := v.r.Feed(lsn, p); err != nil {
		return v.r.End(), err
	}
	for {
		_, err := v.r.Next()
		if err == nil {
			continue
		}
		if errors.Is(err, ErrNeedMore) {
			return v.r.End(), nil
		}
		return v.r.End(), v.corrupt(err)
	}
}

// corrupt makes the answer of a stream out of that of a log.
func (v *Verifier) corrupt(err error) error {
	var end *EndError
	if errors.As(err, &end) && end.Kind != ErrCorrupt {
		end.Kind, end.Err = ErrCorrupt, fmt.Errorf("in a stream: %w", end.Err)
	}
	return err
}

// End is the end of the last complete record, or where the stream began.
func (v *Verifier) End() LSN { return v.r.End() }

// Reset forgets the stream, and an error, to begin another on timeline h.
func (v *Verifier) Reset(h History) {
	cfg := v.r.cfg
	cfg.History = h
	v.r = NewReader(cfg)
}
