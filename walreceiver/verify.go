// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"

	"github.com/walmirror/walmirror/xlog"
)

// VerifyConfig says how the log is checked before it is written: page headers, the chain of records, and each record's
// CRC. The bytes are looked at where they lie in the receive buffer; only a record that crosses pages or messages is
// put together elsewhere.
type VerifyConfig struct {
	// Dialect is what the log looks like; nil is what the server says it is, by its version.
	Dialect *xlog.Dialect
	// MaxRecord limits a record's length in bytes, and so the memory that checking may take; 0 is the dialect's limit,
	// about 1 GB. Memory grows with what arrives, never by what a header claims.
	MaxRecord uint32
}

// learnDialect finds out what the server's log looks like. For a server of an unknown kind it stays nil.
func (r *Receiver) learnDialect(ctx context.Context, conn *Conn) error {
	if r.cfg.Verify != nil && r.cfg.Verify.Dialect != nil {
		r.dialect = r.cfg.Verify.Dialect
		return nil
	}
	d, err := xlog.DialectForServer(conn.Server().Flavour, conn.Server().Version)
	if err != nil {
		r.dialect = nil
		return nil
	}
	block, err := conn.showSize(ctx, "block_size")
	if err != nil {
		return err
	}
	walBlock, err := conn.showSize(ctx, "wal_block_size")
	if err != nil {
		return err
	}
	r.dialect, err = d.WithBlockSizes(uint32(block), uint32(walBlock))
	return err
}

// newVerifier makes the verifier of a stream. hist may be empty.
func (c *VerifyConfig) newVerifier(d *xlog.Dialect, system uint64, size xlog.SegmentSize,
	hist xlog.History) *xlog.Verifier {
	return xlog.NewVerifier(xlog.ReaderConfig{
		Dialect: d, SegmentSize: size, SystemID: system, History: hist, MaxRecord: c.MaxRecord,
	})
}

// verify checks received bytes. What is wrong comes back as a *CorruptError.
func (r *Receiver) verify(lsn xlog.LSN, p []byte) error {
	if r.verifier == nil {
		return nil
	}
	good, err := r.verifier.Verify(lsn, p)
	if err == nil {
		return nil
	}
	at := good
	if end, ok := errors.AsType[*xlog.EndError](err); ok {
		at = end.At
	}
	return &CorruptError{Timeline: r.pos.Timeline, Good: good, At: at, Err: err}
}
