// SPDX-License-Identifier: Apache-2.0

package pgdata

import "github.com/walmirror/walmirror/xlog"

// DistributedLog is pg_distributedlog of a Greenplum segment: the distributed transaction of each local one
// (src/backend/access/transam/distributedlog.c). A coordinator has pages of zeros; what a segment notes in them is not
// known here.
type DistributedLog struct {
	slru
}

func (l *DistributedLog) init(open openSLRU, d *xlog.Dialect) {
	const entry = 8
	l.slru = open("pg_distributedlog", uint32(d.BlockSize())/entry)
}

// ZeroPage adds a page.
func (l *DistributedLog) ZeroPage(page int64) error { return l.zero(page) }

// Truncate removes the files of the pages before one.
func (l *DistributedLog) Truncate(page int64) error { return l.truncate(page) }
