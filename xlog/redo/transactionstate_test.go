// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// stateRedo is storedRedo with what is known of transactions.
func stateRedo(t testing.TB, d *xlog.Dialect) *Redo {
	t.Helper()
	r := storedRedo(t, d, false)
	r.dir = r.store.Dir()
	for _, name := range []string{
		"pg_xact", "pg_multixact", "pg_multixact/offsets", "pg_multixact/members", "pg_commit_ts", "pg_twophase",
		"pg_distributedlog",
	} {
		require.NoError(t, os.Mkdir(filepath.Join(r.dir.Path, name), 0o700))
	}
	var err error
	r.state, err = pgdata.OpenTransactions(pgdata.TransactionsConfig{Dir: r.dir, Dialect: d, NextXID: 700})
	require.NoError(t, err)
	r.counters.NextXID = 700
	require.NoError(t, r.state.Commits.ZeroPage(0))
	return r
}

func xids(list ...uint32) (a rmgr.Uint32s) {
	for _, xid := range list {
		a = binary.LittleEndian.AppendUint32(a, xid)
	}
	return a
}

func TestCounters(t *testing.T) {
	t.Parallel()
	c := Counters{NextXID: 5<<32 | 0xFFFF_FFFE}
	c.sawXID(0)
	c.sawXID(2)
	c.sawXID(0xFFFF_FFFD)
	require.EqualValues(t, 5<<32|0xFFFF_FFFE, c.NextXID)
	c.sawXID(0xFFFF_FFFF)
	require.EqualValues(t, 6<<32|3, c.NextXID)
	c.sawXID(10)
	require.EqualValues(t, 6<<32|11, c.NextXID)

	c.NextMulti, c.NextMultiOffset = 0xFFFF_FFFF, 0xFFFF_FFF0
	c.sawMulti(5, 3)
	c.sawMulti(0xFFFF_FFFF, 2)
	require.EqualValues(t, 5, c.NextMulti)
	require.EqualValues(t, 3, c.NextMultiOffset)

	c.activateCommitTimes()
	c.sawCommitTime(20)
	c.activateCommitTimes()
	require.EqualValues(t, 11, c.OldestCommitTsXID)
	require.EqualValues(t, 20, c.NewestCommitTsXID)
}

func TestRunning(t *testing.T) {
	t.Parallel()
	over := func(xid uint32) (bool, error) { return xid == 101, nil }
	var r Running
	r.saw(90)
	require.False(t, r.Known())

	// A list that is not complete, and one that still is not, but of newer transactions.
	require.NoError(t, r.snapshot(&rmgr.RunningXacts{
		SubxidOverflow: true, NextXID: 110, OldestRunningXID: 100, XIDs: xids(105, 100, 101, 105),
	}, over))
	require.False(t, r.Known())
	require.Equal(t, []uint32{100, 105}, r.XIDs())
	require.EqualValues(t, 109, r.Overflowed())
	r.saw(111)
	require.Equal(t, []uint32{100, 105, 110, 111}, r.XIDs())
	require.NoError(t, r.snapshot(&rmgr.RunningXacts{
		SubxidOverflow: true, NextXID: 112, OldestRunningXID: 105, XIDs: xids(105),
	}, over))
	require.False(t, r.Known())
	require.NoError(t, r.snapshot(&rmgr.RunningXacts{
		SubxidOverflow: true, NextXID: 112, OldestRunningXID: 110, XIDs: xids(111),
	}, over))
	require.True(t, r.Known())
	require.Equal(t, []uint32{110, 111}, r.XIDs())
	require.Zero(t, r.Overflowed())

	r.saw(115)
	r.saw(113)
	r.end(112, xids(113, 116))
	require.Equal(t, []uint32{110, 111, 114, 115}, r.XIDs())
	r.assign(110, xids(111, 116))
	require.Equal(t, []uint32{110, 114, 115}, r.XIDs())
	require.EqualValues(t, 116, r.Overflowed())
	require.EqualValues(t, 116, r.Newest())

	r.shutdown(200, []uint32{150, 140})
	require.Equal(t, []uint32{140, 150}, r.XIDs())
	require.EqualValues(t, 199, r.Overflowed())

	// Far more than a server can have: nothing is known until the next list.
	r.saw(200 + maxRunning)
	require.False(t, r.Known())
	require.Empty(t, r.XIDs())
	r = Running{}
	require.NoError(t, r.snapshot(&rmgr.RunningXacts{NextXID: 0xFFFF_FFFE, OldestRunningXID: 0xFFFF_FFFE}, over))
	require.True(t, r.Known())
	r.saw(4)
	require.Equal(t, []uint32{0xFFFF_FFFE, 0xFFFF_FFFF, 3, 4}, r.XIDs())
	r.shutdown(3, nil)
	require.EqualValues(t, 0xFFFF_FFFF, r.Newest())
}

func TestTransactionEnds(t *testing.T) {
	t.Parallel()
	r := stateRedo(t, xlog.Postgres15)
	status := func(xid uint32) pgdata.XactStatus {
		s, err := r.state.Commits.Status(xid)
		require.NoError(t, err)
		return s
	}
	r.testRecord(710)
	require.NoError(t, r.transaction(&rmgr.XactCommit{XactEnd: rmgr.XactEnd{
		Subxacts: xids(711, 720), Info: rmgr.XactHasOrigin, Origin: 5, OriginLSN: 77,
	}}))
	require.EqualValues(t, 721, r.counters.NextXID)
	require.EqualValues(t, 77, r.state.Origins.Remote(5))
	r.testRecord(0)
	r.body.Main = make([]byte, 80)
	require.NoError(t, r.transaction(&rmgr.XactPrepare{XID: 730, Origin: 5, OriginLSN: 99}))
	require.True(t, r.state.Prepared.Has(730))
	require.NoError(t, r.transaction(&rmgr.XactAbort{XactEnd: rmgr.XactEnd{
		Subxacts: xids(731), Info: rmgr.XactHasTwoPhase | rmgr.XactHasOrigin, XID: 730, Origin: 5, OriginLSN: 100,
	}}))
	require.False(t, r.state.Prepared.Has(730))
	require.EqualValues(t, 100, r.state.Origins.Remote(5))
	for xid, want := range map[uint32]pgdata.XactStatus{
		710: pgdata.XactCommitted, 711: pgdata.XactCommitted, 712: pgdata.XactInProgress, 720: pgdata.XactCommitted,
		730: pgdata.XactAborted, 731: pgdata.XactAborted,
	} {
		require.Equal(t, want, status(xid), xid)
	}

	r.testRecord(0)
	require.ErrorIs(t, r.transaction(&rmgr.XactCommit{}), errNoXID)
	require.ErrorIs(t, r.transaction(&rmgr.XactAbort{}), errNoXID)
	require.NoError(t, r.transaction(&rmgr.XactDistributedCommit{}))
	require.Zero(t, status(0))
}

// TestAbortOrigin: before 14 the abort of a prepared transaction did not say how far its origin had come.
func TestAbortOrigin(t *testing.T) {
	t.Parallel()
	r := stateRedo(t, xlog.Postgres13)
	r.testRecord(0)
	require.NoError(t, r.transaction(&rmgr.XactAbort{XactEnd: rmgr.XactEnd{
		Info: rmgr.XactHasTwoPhase | rmgr.XactHasOrigin, XID: 730, Origin: 5, OriginLSN: 100,
	}}))
	require.Zero(t, r.state.Origins.Remote(5))
}

func TestCommitAllocations(t *testing.T) {
	r := stateRedo(t, xlog.Postgres15)
	r.testRecord(710)
	r.running.shutdown(700, nil)
	commit := &rmgr.XactCommit{XactEnd: rmgr.XactEnd{Subxacts: xids(711, 712)}}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.rec.XID++
		r.counters.sawXID(r.rec.XID)
		r.running.saw(r.rec.XID)
		if err := r.transaction(commit); err != nil {
			t.Fatal(err)
		}
	}))
	require.Equal(t, []uint32{700, 701}, r.running.XIDs()[:2])
}

func TestRelMap(t *testing.T) {
	t.Parallel()
	for d, size := range map[*xlog.Dialect]int{
		xlog.Postgres12: 512, xlog.Postgres15: 512, xlog.Postgres16: 524, xlog.Postgres18: 524, xlog.Greenplum7: 1024,
	} {
		r := stateRedo(t, d)
		r.testRecord(0)
		file := make([]byte, size)
		binary.LittleEndian.PutUint32(file[4:], 1)
		update := &rmgr.RelMapUpdate{Database: 5, Tablespace: 1663, File: file}
		require.NoError(t, r.relMap(update))
		path := filepath.Join(r.dir.Path, "base/5/pg_filenode.map")
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Len(t, got, size)
		require.EqualValues(t, rmgr.RelMapMagic, binary.LittleEndian.Uint32(got))

		update.File = slices.Concat(file, file[:4])
		require.Error(t, r.relMap(update))
		update.File = file[:4]
		require.Error(t, r.relMap(update))
		update.File = slices.Clone(file)
		binary.LittleEndian.PutUint32(update.File[4:], 1000)
		require.Error(t, r.relMap(update))
	}
}

func TestStoreFragments(t *testing.T) {
	t.Parallel()
	page := bufpage.Page(make([]byte, 8192))
	page.Init(16, 4)
	page[4000] = 1                                                            // in the hole
	delta := rmgr.GenericDelta{12, 0, 2, 0, 40, 0, 0xF8, 0x1F, 3, 0, 7, 8, 9} // pd_lower, and bytes at 0x1FF8
	require.NoError(t, storeFragments(page, delta))
	require.Equal(t, 40, page.Lower())
	require.Equal(t, []byte{7, 8, 9}, []byte(page[0x1FF8:0x1FFB]))
	require.Zero(t, page[4000])
	require.Error(t, storeFragments(page, rmgr.GenericDelta{14, 0, 2, 0, 0xFF, 0xFF}))
}
