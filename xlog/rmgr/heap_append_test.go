// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// The tests here build real records again from their payloads: main data, block references and blocks' data must be the
// same, and when nothing else is in the record every byte behind its header.

// TestRebuild builds records of real servers of every version, with and without what logical decoding needs.
func TestRebuild(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		load := walload.Run(t, walload.Options{Major: major, Parts: []string{"heap", "twophase", "replica"}})
		c := newRebuild(t, load.Dialect)
		records(t, load, c.record)
		c.report("INSERT", "INSERT+INIT", "DELETE", "UPDATE", "UPDATE+INIT", "HOT_UPDATE", "RUNNING_XACTS", "old tuple",
			"part of the old tuple")
	})
}

// TestRebuildGreenplum builds records of recorded coordinators.
func TestRebuildGreenplum(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		t.Run(set.Name, func(t *testing.T) {
			c, r := newRebuild(t, set.Dialect), xlog.NewReader(set.Config(t, set.Begin))
			for {
				rec, err := r.Next()
				if err != nil {
					require.ErrorIs(t, err, xlog.ErrZeroed)
					break
				}
				c.record(rec)
			}
			c.report("INSERT", "DELETE", "UPDATE", "HOT_UPDATE", "RUNNING_XACTS")
		})
	}
}

// rebuild counts what was compared, by what it is.
type rebuild struct {
	t      *testing.T
	dec    *Decoder
	out    *xlog.Writer
	rec    xlog.RecordBuilder
	body   xlog.Body // of the record that was built
	counts map[string]int
}

func newRebuild(t *testing.T, d *xlog.Dialect) *rebuild {
	out, err := xlog.NewWriter(xlog.WriterConfig{
		Dialect: d, Timeline: 1, Start: xlog.LSN(d.SegmentSize()), Out: nowhere{},
	})
	require.NoError(t, err)
	return &rebuild{t: t, dec: NewDecoder(d), out: out, counts: map[string]int{}}
}

// nowhere is a log that nobody reads.
type nowhere struct{}

func (nowhere) Write(xlog.LSN, []byte) error { return nil }

func (c *rebuild) report(kinds ...string) {
	for _, kind := range append(kinds, "whole") {
		require.NotZero(c.t, c.counts[kind], "%s: %v", kind, c.counts)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.counts)) {
		c.t.Logf("%-24s %7d built again", kind, c.counts[kind])
	}
}

func (c *rebuild) record(rec *xlog.Record) {
	if rec.Rmgr != Heap && rec.Rmgr != Standby {
		return
	}
	rec = rec.Clone()
	payload, err := c.dec.Decode(rec)
	require.NoError(c.t, err)
	switch p := payload.(type) {
	case *HeapInsert:
		at := c.dec.Body().Block(0)
		p.Build(&c.rec, rec.XID, at.Rel, at.Block)
	case *HeapDelete:
		at := c.dec.Body().Block(0)
		p.Build(&c.rec, rec.XID, at.Rel, at.Block)
		c.count("old tuple", p.Old.Hoff > 0)
	case *HeapUpdate:
		at := c.dec.Body().Block(0)
		old := at
		if other := c.dec.Body().Block(1); other != nil {
			old = other
		}
		p.Build(&c.rec, rec.XID, at.Rel, at.Block, old.Block)
		c.count("old tuple", p.Old.Hoff > 0)
		c.count("part of the old tuple", p.Prefix > 0 && p.Suffix > 0)
	case *RunningXacts:
		clear(c.dec.Body().Main[9:12]) // padding, which servers leave as it is
		c.rec.Begin(Standby, InfoRunningXacts, rec.XID)
		c.rec.Data(p.Append(nil))
		c.count("running", p.XIDs.Len() > 0)
	default:
		return
	}
	c.compare(rec)
}

func (c *rebuild) count(kind string, is bool) {
	if is {
		c.counts[kind]++
	}
}

// compare compares a record with the one that was built.
func (c *rebuild) compare(rec *xlog.Record) {
	_, _, err := c.out.Insert(&c.rec)
	require.NoError(c.t, err)
	have, want := c.out.Last(), c.dec.Body()
	require.NoError(c.t, have.Decode(&c.body))
	what := c.dec.Name(rec.Rmgr, rec.Info) + " at " + rec.LSN.String()
	require.Equal(c.t, [2]any{rec.RmgrInfo(), rec.XID}, [2]any{have.RmgrInfo(), have.XID}, what)
	require.Equal(c.t, want.Main, c.body.Main, what)
	require.Len(c.t, c.body.Blocks, len(want.Blocks), what)
	whole := want.Origin == 0 && want.TopXID == 0
	for i := range want.Blocks {
		b := want.Blocks[i]
		whole = whole && !b.HasImage()
		require.Equal(c.t, partsOf(&b), partsOf(&c.body.Blocks[i]), what)
	}
	if whole {
		require.Equal(c.t, rec.Raw[xlog.RecordHeaderSize:], have.Raw[xlog.RecordHeaderSize:], what)
	}
	c.counts[c.dec.Name(rec.Rmgr, rec.Info)]++
	c.count("whole", whole)
}

// partsOf are the parts of a block reference but for its image.
func partsOf(b *xlog.BlockRef) [6]any {
	return [6]any{b.ID, b.Fork, b.Block, b.Rel, b.Flags & xlog.BlockWillInit, string(b.Data)}
}
