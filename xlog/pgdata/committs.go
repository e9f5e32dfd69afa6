// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

const commitTimeSize = 8 + 2 // SizeOfCommitTimestampEntry

// CommitTimes is pg_commit_ts: when each transaction was committed, and for which replication origin
// (src/backend/access/transam/commit_ts.c).
//
//	{time i64, origin u16} * as many as fit a page
type CommitTimes struct {
	slru
	perPage uint32
	active  bool
}

func (c *CommitTimes) init(open openSLRU, d *xlog.Dialect) {
	c.perPage = uint32(d.BlockSize()) / commitTimeSize
	c.slru = open("pg_commit_ts", c.perPage)
}

// Active tells whether times are recorded.
func (c *CommitTimes) Active() bool { return c.active }

// Activate begins to record times, the first of a transaction not before nextXID (ActivateCommitTs).
func (c *CommitTimes) Activate(nextXID uint32) error {
	if c.active {
		return nil
	}
	page := int64(nextXID / c.perPage)
	there, err := c.exists(page)
	if err == nil && !there {
		err = c.zero(page)
	}
	c.active = err == nil
	return err
}

// Deactivate ends recording, and removes all files (DeactivateCommitTs). Pages that were changed and not yet written
// are still written, as a server does.
func (c *CommitTimes) Deactivate() error {
	c.active = false
	return c.forgetFiles()
}

// Set notes the time of a transaction, in microseconds since 2000 (TransactionIdSetCommitTs).
func (c *CommitTimes) Set(xid uint32, time int64, origin uint16) error {
	page, err := c.change(int64(xid / c.perPage))
	if err != nil {
		return err
	}
	entry := page[xid%c.perPage*commitTimeSize:]
	binary.LittleEndian.PutUint64(entry, uint64(time))
	binary.LittleEndian.PutUint16(entry[8:], origin)
	return nil
}

// ZeroPage adds a page.
func (c *CommitTimes) ZeroPage(page int64) error { return c.zero(page) }

// Truncate removes the files of the pages before one.
func (c *CommitTimes) Truncate(page int64) error { return c.truncate(page) }
