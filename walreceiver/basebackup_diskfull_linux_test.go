// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver"
)

// TestBaseBackupDiskFull: a small file system fills up, under files and under WAL.
func TestBaseBackupDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	primary := pgserver.Start(t, pgserver.Options{})
	for name, size := range map[string]string{"files": "20m", "WAL": "12m"} {
		disk := filepath.Join(pgserver.TempDir(t), "disk")
		require.NoError(t, os.Mkdir(disk, 0o700))
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size); err != nil {
			t.Skipf("mounting a small file system: %v", err)
		}
		dir := filepath.Join(disk, "data")
		_, err := backupOf(t, primary, func(cfg *walreceiver.BackupConfig) {
			cfg.Dir, cfg.Slot, cfg.CreateSlot = dir, "full", true
		})
		t.Logf("%s: %v", name, err)
		if err != nil {
			requireIncomplete(t, dir)
		}
		require.NoError(t, syscall.Unmount(disk, 0), "nothing is left open")
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "no space left")
		require.Empty(t, primary.SQL(t, "SELECT slot_name FROM pg_replication_slots"))
	}
}
