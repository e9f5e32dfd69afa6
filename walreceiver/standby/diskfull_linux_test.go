// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

// TestDiskFull: on a full disk nothing is acknowledged that is not durable, the standby says what is the matter, and it
// goes on by itself when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small filesystem")
	}
	primary := pgserver.Start(t, pgserver.Options{Settings: map[string]string{"wal_keep_size": "1GB"}})
	snap := initStandby(t, primary, nil)
	wal := filepath.Join(snap.Dir, "pg_wal")
	small := filepath.Join(pgserver.TempDir(t), "small")
	require.NoError(t, os.Mkdir(small, 0o700))
	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=72m"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(small, 0)) })
	out, err := exec.Command("cp", "-a", wal+"/.", small).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.RemoveAll(wal))
	require.NoError(t, os.Symlink(small, wal))
	ballast := filepath.Join(small, "ballast")

	s, end := start(t, standby.Config{Dir: snap.Dir})
	t.Cleanup(func() { _ = end() }) // before the filesystem goes
	waitState(t, s, "streaming", "")
	require.NoError(t, fill(ballast))
	primary.SQL(t, "CREATE TABLE t AS SELECT i, repeat('x', 500) FROM generate_series(1, 100000) i")
	st := waitState(t, s, standby.StateWaiting, "no space left on device")
	primaryEnd := primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	require.Equal(t, "t", primary.Value(t, "SELECT '"+st.FlushedLSN.String()+"'::pg_lsn < '"+primaryEnd+"'::pg_lsn"))
	require.Equal(t, "t", primary.Value(t, "SELECT restart_lsn <= '"+st.FlushedLSN.String()+"' FROM pg_replication_slots"))

	require.NoError(t, os.Remove(ballast))
	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=512m"))
	caughtUp(t, s, primary)
	require.NoError(t, end())
	require.NoError(t, pgserver.Chown(small))
}

// fill writes until the disk is full.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); ; {
		if _, err := f.Write(chunk); err != nil {
			return nil
		}
	}
}
