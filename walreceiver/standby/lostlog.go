// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// lostLog is the error when the log in pg_wal ends before a position up to which it was received, for another reason than
// that the last record was not received to its end.
func lostLog(data *pgdata.DataDir, end *xlog.EndError, received xlog.LSN) error {
	if end == nil || end.At >= received {
		return nil
	}
	if errors.Is(end, xlog.ErrTorn) {
		upTo, err := wouldEnd(data, end.Timeline, end.At)
		if err != nil || upTo > received {
			return err
		}
	}
	return fmt.Errorf("the log was received up to %s, and what was acknowledged would be lost: %w", received, end)
}

// wouldEnd is at most where a record that is not whole would end, by its length and the page headers in between.
func wouldEnd(data *pgdata.DataDir, tli xlog.TimelineID, record xlog.LSN) (xlog.LSN, error) {
	source := xlog.NewDirSource(data.WALPath(), data.SegmentSize)
	defer source.Close()
	var length [4]byte
	_, err := source.ReadAt(tli, length[:], record)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	n := int(binary.LittleEndian.Uint32(length[:]))
	pages := n/data.Dialect.WALBlockSize() + 2
	return record.Add(n + pages*xlog.LongPageHeaderSize), nil
}
