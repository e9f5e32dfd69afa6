// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

const twoPhaseMagic = 0x57F94534 // TWOPHASE_MAGIC

// TestPreparedTransactions compares what prepared transactions say that they will do with what their ends then say, on
// servers of every version.
func TestPreparedTransactions(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		load := walload.Run(t, walload.Options{Major: major, Parts: []string{"heap", "twophase"}})
		load.SQL(t, "CHECKPOINT") // the last transactions did not wait for the log
		c := newPreparedCheck(t, load.Dialect)
		records(t, load, c.record)
		t.Logf("%d commits and %d aborts of prepared transactions, with %d subtransactions, %d relations, "+
			"%d invalidations, %d statistics and %d states, equal",
			c.commits, c.aborts, c.subxacts, c.relations, c.invalidations, c.stats, c.states)
		require.NotZero(t, c.commits)
		require.NotZero(t, c.aborts)
		require.NotZero(t, c.subxacts)
		require.NotZero(t, c.relations)
		require.NotZero(t, c.invalidations)
		require.NotZero(t, c.states)
		if load.Dialect.XactDroppedStatsSize() > 0 {
			require.NotZero(t, c.stats)
		}
	})
}

// preparedCheck keeps what is prepared, and counts what was compared.
type preparedCheck struct {
	t        *testing.T
	dec      *Decoder
	prepared map[uint32]*XactPrepare

	commits, aborts, relations, invalidations, stats, subxacts, states int
}

func newPreparedCheck(t *testing.T, d *xlog.Dialect) *preparedCheck {
	return &preparedCheck{t: t, dec: NewDecoder(d), prepared: map[uint32]*XactPrepare{}}
}

func (c *preparedCheck) record(rec *xlog.Record) {
	if rec.Rmgr != Transaction {
		return
	}
	if rec.RmgrInfo()&^xactHasInfo == 0x10 {
		rec = rec.Clone() // what is prepared lives on
	}
	payload, err := c.dec.Decode(rec)
	require.NoError(c.t, err)
	require.Less(c.t, c.dec.in.left(), 8, "%s at %s", c.dec.Name(rec.Rmgr, rec.Info), rec.LSN)
	switch p := payload.(type) {
	case *XactPrepare:
		c.prepare(rec, *p)
	case *XactCommit:
		if before := c.prepared[p.XID]; before != nil {
			c.commits++
			c.end(&p.XactEnd, before, before.CommitRelations, before.CommitStats)
			require.True(c.t, bytes.Equal(before.Invalidations.raw, p.Invalidations.raw))
			require.Equal(c.t, before.InitFileInval, p.Info&XactUpdateRelcacheFile != 0)
			c.invalidations += p.Invalidations.Len()
		}
	case *XactAbort:
		if before := c.prepared[p.XID]; before != nil {
			c.aborts++
			c.end(&p.XactEnd, before, before.AbortRelations, before.AbortStats)
		}
	}
}

func (c *preparedCheck) prepare(rec *xlog.Record, p XactPrepare) {
	main := c.dec.Body().Main
	require.EqualValues(c.t, twoPhaseMagic, p.Magic)
	require.EqualValues(c.t, len(main)+4, p.TotalLen)
	require.Equal(c.t, rec.XID, p.XID)
	require.NotEmpty(c.t, p.GID)
	c.prepared[p.XID] = &p
	state, rest, ok := p.States.Next()
	for ; ok; state, rest, ok = rest.Next() {
		require.LessOrEqual(c.t, state.ID, uint8(4))
		c.states++
		p.States = rest
	}
	require.Len(c.t, p.States, 8, "the end of the states")
	require.Zero(c.t, binary.LittleEndian.Uint32(p.States))
	require.Zero(c.t, p.States[4])
}

// end compares a transaction's end with what was prepared.
func (c *preparedCheck) end(p *XactEnd, before *XactPrepare, rels PendingDeletes, stats DroppedStats) {
	require.True(c.t, bytes.Equal(before.Subxacts, p.Subxacts))
	require.True(c.t, bytes.Equal(rels.raw, p.Relations.raw))
	require.True(c.t, bytes.Equal(stats.raw, p.DroppedStats.raw))
	if p.GID != nil {
		require.Equal(c.t, before.GID, p.GID)
	}
	c.relations += rels.Len()
	c.stats += stats.Len()
	c.subxacts += before.Subxacts.Len()
	delete(c.prepared, p.XID)
}

// TestGreenplumTransactions looks at the fields of the recorded transactions that their descriptions leave out.
func TestGreenplumTransactions(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		t.Run(set.Name, func(t *testing.T) {
			c := newPreparedCheck(t, set.Dialect)
			open := map[uint64]bool{}
			var commits, relations, appendOptimized, temporary, databases, tablespaces int
			r := xlog.NewReader(set.Config(t, set.Begin))
			for rec, err := r.Next(); err == nil; rec, err = r.Next() {
				if rec.Rmgr != Transaction {
					continue
				}
				c.record(rec)
				payload, err := c.dec.Decode(rec)
				require.NoError(t, err)
				var end *XactEnd
				switch p := payload.(type) {
				case *XactCommit:
					end = &p.XactEnd
				case *XactDistributedCommit:
					end = &p.XactEnd
					require.NotZero(t, end.Distributed.ID)
					open[end.Distributed.ID] = true
					commits++
				case *XactDistributedForget:
					require.True(t, open[p.ID], "%d is forgotten but was not committed", p.ID)
					delete(open, p.ID)
				}
				if end == nil {
					continue
				}
				for i := range end.Relations.Len() {
					del := end.Relations.At(i)
					require.NotZero(t, del.Relation.RelNumber)
					require.Contains(t, []int32{0, 1}, del.Smgr)
					relations++
					appendOptimized += int(del.Smgr)
					if del.Temp {
						temporary++
					}
				}
				for i := range end.Databases.Len() {
					require.NotZero(t, end.Databases.At(i).Database)
					databases++
				}
				if end.RemoveTablespace != 0 {
					tablespaces++
				}
			}
			require.Empty(t, open)
			t.Logf("%d distributed commits, each forgotten; %d relations removed, of them %d append-optimized and %d "+
				"temporary; %d databases, %d tablespaces removed; %d commits of prepared transactions",
				commits, relations, appendOptimized, temporary, databases, tablespaces, c.commits)
			require.NotZero(t, relations)
		})
	}
}
