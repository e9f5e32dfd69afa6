// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// The first fsync of a block that was reserved and never written waits for the filesystem's journal too: for ext4 about
// twice the time. Where the log arrives in little pieces, each of which somebody waits for, zeros are therefore written
// ahead, and many blocks share one such fsync.
const (
	littlePiece = 8 << 10
	zerosAhead  = 128 << 10
)

// zeros are written in pieces as small as PostgreSQL's, for the page cache keeps together what was written together, and of
// much the kernel looks at all when a little of it was changed.
var zeros [8 << 10]byte

// writeZeros writes zeros behind the last block of a little piece that ends at end, when nothing was written there. A
// failure is no error: zeros are what the file has.
func (d *Dir) writeZeros(seg *segment, end xlog.LSN, piece int) {
	if !seg.fresh || d.cfg.NoSync || piece >= littlePiece || end <= seg.zeros {
		return
	}
	from := d.size.Offset(end)
	to := min((from/zerosAhead+1)*zerosAhead, uint32(d.size))
	seg.zeros = end.Add(int(to - from))
	for from = (from + vfs.DirectBlock - 1) / vfs.DirectBlock * vfs.DirectBlock; from < to; {
		next := (from/uint32(len(zeros)) + 1) * uint32(len(zeros))
		if _, err := seg.file.WriteAt(zeros[:next-from], int64(from)); err != nil {
			return
		}
		from = next
		seg.tail.cached.Store(true)
	}
}
