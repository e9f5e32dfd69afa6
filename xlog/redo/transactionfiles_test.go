// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgreplay"
	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// transactionRmgrs are the resource managers that keep what is known of transactions.
var transactionRmgrs = map[xlog.RmgrID]bool{
	rmgr.Transaction: true, rmgr.CLOG: true, rmgr.MultiXact: true, rmgr.CommitTs: true, rmgr.RelMap: true,
	rmgr.Standby: true, rmgr.ReplicationOrigin: true, rmgr.LogicalMessage: true,
}

// transactionFiles are what they keep.
var transactionFiles = []string{
	"pg_xact/*", "pg_multixact/*/*", "pg_commit_ts/*", "pg_twophase/*", "pg_logical/replorigin_checkpoint",
	"global/pg_filenode.map", "base/*/pg_filenode.map",
}

// TestTransactionFiles redoes the records of transactions alone and compares the files with those that a standby has
// after a restartpoint.
func TestTransactionFiles(t *testing.T) {
	for _, major := range pgserver.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			pgserver.Require(t, major)
			t.Parallel()
			t.Run("load", func(t *testing.T) {
				compareTransactionFiles(t, pgreplay.Record(t, walload.Options{
					Major: major, Parts: walload.Replayable,
				}, pgreplay.Cold))
			})
			t.Run("many", func(t *testing.T) {
				compareTransactionFiles(t, pgreplay.RecordLoad(t, pgserver.Options{
					Major: major, WALSegmentMB: 1, Settings: map[string]string{
						"max_prepared_transactions": "10", "track_commit_timestamp": "on", "wal_level": "replica",
						"fsync": "off",
					},
				}, pgreplay.Online, func(s *pgserver.Server) { manyTransactions(t, s) }))
			})
		})
	}
}

// manyTransactions makes transactions that lie across pages, with subtransactions, and leaves some prepared.
func manyTransactions(t *testing.T, s *pgserver.Server) {
	conn, err := s.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	exec := func(sql string) {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec("CREATE TABLE t (i int PRIMARY KEY, v int)")
	exec("INSERT INTO t SELECT i, 0 FROM generate_series(1, 100) i")
	exec("CREATE TABLE s (i int)")
	exec(`CREATE PROCEDURE subs(n int) LANGUAGE plpgsql AS $$
		BEGIN FOR i IN 1..n LOOP BEGIN INSERT INTO s VALUES (i); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$`)
	exec("BEGIN; UPDATE t SET v = 1 WHERE i = 50; PREPARE TRANSACTION 'old'")
	exec("CHECKPOINT")
	exec("BEGIN; CALL subs(3); PREPARE TRANSACTION 'kept'")
	exec("COMMIT PREPARED 'kept'")
	for range 1000 { // a page of pg_commit_ts begins at each place of some transaction
		exec("CALL subs(1)")
		exec("CALL subs(2)")
	}
	exec("CALL subs(40000)") // more than a page of pg_xact
	exec("BEGIN; CALL subs(100); ROLLBACK")
	exec("CHECKPOINT")
	exec("BEGIN; UPDATE t SET v = 1 WHERE i = 60; CALL subs(2); PREPARE TRANSACTION 'new'")
	exec("VACUUM FULL pg_class")
	exec("SELECT pg_replication_origin_create('a'), pg_replication_origin_create('b'), pg_replication_origin_create('c')")
	exec("SELECT pg_replication_origin_advance('a', '0/11'), pg_replication_origin_advance('b', '0/22'), pg_replication_origin_advance('c', '0/33')")
	exec("SELECT pg_replication_origin_drop('b')")
	exec("SELECT pg_replication_origin_create('d')")
	exec("SELECT pg_replication_origin_advance('d', '0/44')")
}

// compareTransactionFiles replays a log by a server and by us.
func compareTransactionFiles(t *testing.T, source *pgreplay.Source) {
	standby := source.Standby(t)
	dir := filepath.Join(pgserver.TempDir(t), "ours")
	require.NoError(t, source.Copy(dir))
	replayTransactions(t, dir)
	count, size := 0, 0
	for _, pattern := range transactionFiles {
		names := glob(t, standby, pattern)
		if !strings.HasPrefix(pattern, "base/") { // databases are not dropped here
			require.Equal(t, names, glob(t, dir, pattern), "%s", pattern)
		}
		for _, name := range names {
			want, err := os.ReadFile(filepath.Join(standby, name))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			compareBytes(t, name, want, got)
			count, size = count+1, size+len(want)
		}
	}
	t.Logf("%d files, %d bytes", count, size)
	require.NotZero(t, count)
}

func compareBytes(t *testing.T, name string, want, got []byte) {
	if bytes.Equal(want, got) {
		return
	}
	n := 0
	for i := range want {
		if i < len(got) && got[i] != want[i] {
			if n++; n < 5 {
				t.Errorf("%s: offset %d is %#x, not %#x", name, i, got[i], want[i])
			}
		}
	}
	t.Errorf("%s: %d of %d bytes differ; ours are %d", name, n, len(want), len(got))
}

func glob(t *testing.T, dir, pattern string) []string {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	for i := range paths {
		paths[i] = strings.TrimPrefix(paths[i], dir+"/")
	}
	return paths
}

// newestHistory is that of the newest timeline in a directory.
func newestHistory(t *testing.T, dir string) xlog.History {
	names := glob(t, dir, "*.history")
	if len(names) == 0 {
		return xlog.History{Timeline: 1}
	}
	newest := names[len(names)-1]
	content, err := os.ReadFile(filepath.Join(dir, newest))
	require.NoError(t, err)
	tli, err := xlog.ParseHistoryName(newest)
	require.NoError(t, err)
	h, err := xlog.ParseHistory(tli, content)
	require.NoError(t, err)
	return h
}

// replayTransactions redoes the records of transactions in a directory's pg_wal.
func replayTransactions(t *testing.T, path string) {
	dir, err := pgdata.Open(vfs.OS, path)
	require.NoError(t, err)
	checkpoint := dir.Control.CheckPointCopy
	store, err := pgdata.NewStore(dir, pgdata.StoreConfig{Budget: 16 << 20})
	require.NoError(t, err)
	defer store.Close()
	state, err := pgdata.OpenTransactions(pgdata.TransactionsConfig{
		Dir: dir, NextXID: checkpoint.NextXid, CommitTimes: dir.Control.TrackCommitTimestamp,
	})
	require.NoError(t, err)
	r := &Redo{store: store, state: state, dialect: dir.Dialect, decoder: rmgr.NewDecoder(dir.Dialect)}
	r.counters = Counters{NextXID: checkpoint.NextXid, NextMulti: checkpoint.NextMulti,
		NextMultiOffset: checkpoint.NextMultiOffset}
	src := xlog.NewDirSource(dir.WALPath(), dir.SegmentSize)
	defer src.Close()
	reader := xlog.NewReader(xlog.ReaderConfig{
		Dialect: dir.Dialect, SegmentSize: dir.SegmentSize, Source: src, Start: checkpoint.Redo,
		History: newestHistory(t, dir.WALPath()),
	})
	redo := checkpoint.Redo
	records := 0
	rec, err := reader.Next()
	for ; err == nil; rec, err = reader.Next() {
		if transactionRmgrs[rec.Rmgr] {
			require.NoError(t, r.Apply(rec))
			records++
			continue
		}
		r.counters.sawXID(rec.XID)
		r.running.saw(rec.XID)
		payload, err := r.decoder.Decode(rec)
		require.NoError(t, err)
		if p, ok := payload.(*rmgr.CheckPoint); ok {
			redo = p.Redo
			if p.Shutdown {
				r.running.shutdown(uint32(p.NextXID), state.Prepared.XIDs())
				r.counters.NextXID = p.NextXID
			}
			require.Equal(t, p.NextXID, r.counters.NextXID)
			require.Equal(t, p.NextMulti, r.counters.NextMulti)
			require.Equal(t, p.NextMultiOffset, r.counters.NextMultiOffset)
		}
	}
	var end *xlog.EndError
	require.ErrorAs(t, err, &end)
	t.Logf("%d records up to %s; %d prepared; running %v, known %v, overflowed %d", records, end.LSN,
		state.Prepared.Len(), r.running.XIDs(), r.running.Known(), r.running.Overflowed())
	require.NoError(t, state.Flush(redo))
}
