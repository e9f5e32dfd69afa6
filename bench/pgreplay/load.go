// SPDX-License-Identifier: Apache-2.0

package pgreplay

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Backup makes a base of a server.
type Backup func(t testing.TB, s *pgserver.Server, dir string)

// Cold copies the data directory of the stopped server.
func Cold(t testing.TB, s *pgserver.Server, dir string) { require.NoError(t, ColdCopy(s, dir)) }

// Online makes a base backup of the running server, with a backup label and none of the log.
func Online(t testing.TB, s *pgserver.Server, dir string) {
	_, err := walreceiver.BaseBackup(t.Context(), walreceiver.BackupConfig{
		ConnString: s.ConnString(), Dir: dir, WAL: walreceiver.WALNone, NoSlot: true, FastCheckpoint: true, NoSync: true,
	})
	require.NoError(t, err)
}

// Record runs a load on a new server, and stops it: the source is a base made before the load, and the log up to the
// shutdown.
func Record(t testing.TB, opts walload.Options, backup Backup) *Source {
	t.Helper()
	source := &Source{Major: opts.Major, Base: filepath.Join(pgserver.TempDir(t), "base")}
	opts.Started = func(load *walload.Load) { backup(t, load.Server, source.Base) }
	load := walload.Run(t, opts)
	require.NoError(t, source.Finish(load.Server, load.Dir))
	return source
}

// RecordLoad is Record for any other load.
func RecordLoad(t testing.TB, opts pgserver.Options, backup Backup, load func(s *pgserver.Server)) *Source {
	t.Helper()
	opts.Settings = maps.Clone(opts.Settings)
	if opts.Settings == nil {
		opts.Settings = map[string]string{}
	}
	if opts.Major >= 13 {
		opts.Settings["wal_keep_size"] = "20GB"
	} else {
		opts.Settings["wal_keep_segments"] = "20000"
	}
	primary := pgserver.Start(t, opts)
	dir, err := primary.MakeDir("load")
	require.NoError(t, err)
	source := &Source{Major: opts.Major, Base: filepath.Join(pgserver.TempDir(t), "base")}
	backup(t, primary, source.Base)
	load(primary)
	require.NoError(t, source.Finish(primary, dir))
	return source
}

// Pgbench runs some of pgbench's transactions, with autovacuum at work.
func Pgbench(t testing.TB, s *pgserver.Server) {
	t.Helper()
	args := []string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-n"}
	for _, more := range [][]string{{"-i", "-s", "2"}, {"-c", "4", "-t", "500", "-N"}, {"-c", "4", "-t", "500"}} {
		more = slices.Concat(args, more, []string{"postgres"})
		out, err := s.Command(t.Context(), "pgbench", more...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	s.SQL(t, "VACUUM ANALYZE")
}

// Finish stops the server that wrote the log, and takes away what is in its tablespaces, which are the directories
// in dir.
func (s *Source) Finish(primary *pgserver.Server, dir string) error {
	rows, err := primary.Query(context.Background(), "SHOW server_version_num")
	if err != nil {
		return err
	}
	if s.Version, err = strconv.Atoi(rows[0][0]); err != nil {
		return err
	}
	if err := primary.Stop(pgserver.Fast); err != nil {
		return err
	}
	control, err := pgdata.ReadControl(vfs.OS, primary.DataDir)
	if err != nil {
		return err
	}
	s.WAL, s.Last = filepath.Join(primary.DataDir, pgdata.WALDir), control.CheckPoint
	if s.Tablespaces, err = directories(dir); err != nil {
		return err
	}
	return s.takeAway(primary.DataDir)
}

// Standby makes a copy and has a server replay it.
func (s *Source) Standby(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(pgserver.TempDir(t), "standby")
	require.NoError(t, s.Copy(dir))
	require.NoError(t, s.Apart(dir, func() error { return s.Replay(t.Context(), dir) }))
	return dir
}
