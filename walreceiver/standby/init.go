// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// DefaultSlot is the replication slot that Init makes on a PostgreSQL primary. Greenplum's coordinator keeps the log for
// its standby without one.
const DefaultSlot = "walmirror"

// ApplicationName is how a standby names itself to a PostgreSQL primary, for synchronous_standby_names and
// pg_stat_replication, unless the connection string says otherwise. To Greenplum it is gp_walreceiver.
const ApplicationName = "walmirror"

// InitConfig says which standby to make. Primary and Backup.Dir are needed.
type InitConfig struct {
	Primary string // conninfo or URL of the running coordinator
	// Port is the one on which the standby accepts connections once it is activated; 0 leaves it as the primary's.
	Port int
	// Slot is the replication slot that the primary keeps for the standby: made by Init, or one of that name that nobody
	// uses. Empty is DefaultSlot, but with NoSlot and on Greenplum, where there is none.
	Slot   string
	NoSlot bool
	// SetAside renames a data directory of the same system that is in the way, such as the former coordinator's: a number is
	// put behind ".old" when there is one already. Without it, and for another system's, Init fails with an OldDirectoryError.
	SetAside bool
	// CatalogOnly leaves out everything but the catalogs, the shared ones and those of every database: the directory can be
	// kept current and read, and never be activated. The user must be able to connect to every database.
	CatalogOnly bool
	// Backup refines the snapshot. Its ConnString, slots, Verify and Configure are Init's. Without a slot for the standby a
	// temporary one keeps the log while the snapshot is taken.
	Backup walreceiver.BackupConfig
}

// Snapshot is what Init made.
type Snapshot struct {
	walreceiver.BackupResult
	Conninfo string // written as primary_conninfo; it may hold a password
	Port     int
	// MissingConfig are configuration files that the primary keeps outside its data directory. Activation needs them.
	MissingConfig []string
	SetAside      string // the new name of the directory that was in the way; empty when there was none
}

// Init takes a snapshot of the running primary, with the log of every change made meanwhile, and leaves in it what
// makes it a standby of that primary: standby.signal, primary_conninfo and primary_slot_name. Until everything is
// durable the directory says that it is incomplete (pgdata.IncompleteMarker) and no server starts on it.
func Init(ctx context.Context, cfg InitConfig) (Snapshot, error) {
	if cfg.Slot != "" && cfg.NoSlot {
		return Snapshot{}, errors.New("both a slot and no slot")
	}
	flavour, system, err := identify(ctx, cfg.Primary)
	if err != nil {
		return Snapshot{}, err
	}
	b := &cfg.Backup
	b.ConnString = cfg.Primary
	if flavour == xlog.PostgreSQL {
		b.ApplicationName = ApplicationName
		if cfg.Slot == "" && !cfg.NoSlot {
			cfg.Slot = DefaultSlot
		}
	} else {
		b.ApplicationName = walreceiver.GreenplumApplicationName
	}
	b.Slot = cfg.Slot
	b.CreateSlot, b.ReuseSlot = b.Slot != "", b.Slot != ""
	b.Verify = &walreceiver.VerifyConfig{}

	snap := Snapshot{Port: cfg.Port}
	if snap.Conninfo, err = primaryConninfo(cfg.Primary, b.ApplicationName); err != nil {
		return Snapshot{}, err
	}
	if snap.SetAside, err = makeRoom(b.Dir, system, cfg.SetAside); err != nil {
		return Snapshot{}, err
	}
	b.Configure = func(dir string) error { return snap.configure(dir, b.Slot) }
	if cfg.CatalogOnly {
		onlyCatalogs(ctx, b)
	}
	result, err := walreceiver.BaseBackup(ctx, *b)
	if err != nil && snap.SetAside != "" {
		err = fmt.Errorf("%w (what was in %s is kept as %s; its tablespaces are where they were: give new ones other places "+
			"with a tablespace mapping)", err, b.Dir, snap.SetAside)
	}
	if err != nil {
		return Snapshot{}, err
	}
	snap.BackupResult = *result
	if cfg.CatalogOnly {
		return snap, nil // no server will need any configuration
	}
	for _, name := range []string{"postgresql.conf", "pg_hba.conf", "pg_ident.conf"} {
		if _, err := os.Stat(filepath.Join(result.Dir, name)); err != nil {
			snap.MissingConfig = append(snap.MissingConfig, name)
		}
	}
	return snap, nil
}

// configure turns the copy in dir into a standby (WriteRecoveryConfig in src/fe_utils/recovery_gen.c).
func (s *Snapshot) configure(dir, slot string) error {
	settings := []pgdata.Setting{{Name: "primary_conninfo", Value: s.Conninfo}}
	if slot != "" {
		settings = append(settings, pgdata.Setting{Name: "primary_slot_name", Value: slot})
	}
	if s.Port != 0 {
		settings = append(settings, pgdata.Setting{Name: "port", Value: strconv.Itoa(s.Port)})
	}
	if err := pgdata.SetAutoConf(vfs.OS, dir, settings...); err != nil {
		return fmt.Errorf("configure the standby: %w", err)
	}
	return pgdata.StandbySignal.Create(vfs.OS, dir)
}
