// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"math/bits"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// TestNoAllocationPerRecord decodes and prints records of a server with the short descriptions and of one with the long
// ones, and requires that none allocates.
func TestNoAllocationPerRecord(t *testing.T) {
	for _, major := range []int{15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			pgserver.Require(t, major)
			load := walload.Run(t, walload.Options{Major: major, Parts: []string{"heap", "index", "system"}})
			load.SQL(t, "CHECKPOINT") // the last transactions did not wait for the log
			s := sample{}
			records(t, load, s.add)
			s.requireNoAllocation(t, load.Dialect)
		})
	}
}

// TestNoAllocationPerGreenplumRecord is the same for recorded coordinators.
func TestNoAllocationPerGreenplumRecord(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		t.Run(set.Name, func(t *testing.T) {
			s, r := sample{}, xlog.NewReader(set.Config(t, set.Begin))
			for rec, err := r.Next(); err == nil; rec, err = r.Next() {
				s.add(rec)
			}
			s.requireNoAllocation(t, set.Dialect)
		})
	}
}

// sample has a record of each kind and length, lengths with the same highest bit being the same.
type sample map[sampleKey]*xlog.Record

type sampleKey struct {
	rmgr   xlog.RmgrID
	info   uint8
	length int
}

func (s sample) add(rec *xlog.Record) {
	key := sampleKey{rec.Rmgr, rec.RmgrInfo(), bits.Len32(rec.TotalLen)}
	if s[key] == nil {
		s[key] = rec.Clone()
	}
}

func (s sample) requireNoAllocation(t *testing.T, d *xlog.Dialect) {
	dec := NewDecoder(d)
	dec.Location = time.UTC
	line := make([]byte, 0, 1<<20)
	for _, rec := range s {
		show := func() {
			if _, err := dec.AppendLine(line, rec, true); err != nil {
				t.Fatal(err)
			}
		}
		show() // the first record with as many blocks may
		require.Zero(t, testing.AllocsPerRun(5, show), "%s %s at %s", dec.RmgrName(rec.Rmgr),
			dec.Name(rec.Rmgr, rec.Info), rec.LSN)
	}
	require.Greater(t, len(s), 50)
	t.Logf("%d records printed without an allocation", len(s))
}
