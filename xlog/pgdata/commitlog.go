// SPDX-License-Identifier: Apache-2.0

package pgdata

import "github.com/walmirror/walmirror/xlog"

// XactStatus is what became of a transaction (XidStatus in src/include/access/clog.h).
type XactStatus uint8

// What becomes of transactions.
const (
	XactInProgress XactStatus = iota // or it ended in a crash
	XactCommitted
	XactAborted
	XactSubCommitted // its parent knows
)

const xactsPerByte = 4 // CLOG_XACTS_PER_BYTE

// CommitLog is pg_xact: two bits for each transaction (src/backend/access/transam/clog.c).
type CommitLog struct {
	slru
	perPage uint32
}

func (c *CommitLog) init(open openSLRU, d *xlog.Dialect) {
	c.perPage = uint32(d.BlockSize()) * xactsPerByte
	c.slru = open("pg_xact", c.perPage)
}

// Set notes what became of a transaction (TransactionIdSetStatusBit).
func (c *CommitLog) Set(xid uint32, status XactStatus) error {
	page, err := c.change(int64(xid / c.perPage))
	if err != nil {
		return err
	}
	b, shift := &page[xid%c.perPage/xactsPerByte], xid%xactsPerByte*2
	*b = *b&^(3<<shift) | byte(status)<<shift
	return nil
}

// Status tells what became of a transaction.
func (c *CommitLog) Status(xid uint32) (XactStatus, error) {
	p, err := c.page(int64(xid / c.perPage))
	if err != nil {
		return 0, err
	}
	return XactStatus(p.data[xid%c.perPage/xactsPerByte] >> (xid % xactsPerByte * 2) & 3), nil
}

// ZeroPage adds a page.
func (c *CommitLog) ZeroPage(page int64) error { return c.zero(page) }

// Truncate removes the files of the pages before one.
func (c *CommitLog) Truncate(page int64) error { return c.truncate(page) }
