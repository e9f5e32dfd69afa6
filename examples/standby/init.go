// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

// initFlags are the flags of init that are not fields of the configuration.
type initFlags struct {
	cfg                                  standby.InitConfig
	checkpoint, rate, compress, checksum string
	mappings                             []string
	quiet, asJSON                        bool
}

func newInit() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init --primary CONNINFO -D DIR",
		Short: "Take a snapshot of a running server and make it a standby",
		Long: `Take a snapshot of a running server while it serves its clients, with every change made meanwhile, and make of
it a standby: replication slot, standby.signal, primary_conninfo and primary_slot_name. The slot makes the primary
keep its log until the standby has it, also while the standby is down.

The primary needs a user with REPLICATION, a "host replication" line in its pg_hba.conf, and wal_level replica or
logical. On Greenplum and Cloudberry give --gp-dbid; there is no slot there unless you name one.

With --catalog-only the mirror has the catalogs of every database and no data: small, to be read and watched, and never
to be activated. The user must be able to connect to every database.

A data directory that is there already is never overwritten. After a takeover the former coordinator comes back with a
new init from its successor: with --set-aside its old directory is kept under another name.`,
		Example: `  standby init --primary 'host=db1 port=5432 user=replicator' -D /data/standby --port 5433
  standby init --primary postgresql://replicator@db1/ -D /data/standby --checkpoint spread --max-rate 50M
  standby init --primary 'host=cdw user=gpadmin' -D /data/standby --port 5433 --gp-dbid 8
  standby init --primary 'host=db2 user=replicator' -D /data/coordinator --set-aside
  standby init --primary 'host=db1 user=replicator' -D /data/catalogs --catalog-only --slot catalogs`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.parse(); err != nil {
				return usageError{err}
			}
			return takeSnapshot(cmd, f)
		},
	}
	b := &f.cfg.Backup
	dirFlag(cmd, &b.Dir)
	fl := cmd.Flags()
	fl.StringVar(&f.cfg.Primary, "primary", "", "connection string or URL of the running server")
	fl.StringVarP(&f.cfg.Slot, "slot", "S", "",
		"replication slot to create and use (default \""+standby.DefaultSlot+"\", none on Greenplum)")
	fl.BoolVar(&f.cfg.NoSlot, "no-slot", false, "use no replication slot: the primary may remove log that the standby needs")
	fl.IntVar(&f.cfg.Port, "port", 0, "port of the standby once it is activated (default: the primary's)")
	fl.StringVarP(&f.checkpoint, "checkpoint", "c", "fast", "fast or spread: what the snapshot begins with on the primary")
	fl.StringVarP(&f.rate, "max-rate", "r", "", "highest transfer rate, in kB/s or with suffix k or M")
	fl.StringArrayVarP(&f.mappings, "tablespace-mapping", "T", nil, "OLD=NEW: put the tablespace at OLD into NEW (repeatable)")
	fl.StringVarP(&b.Label, "label", "l", "", "label of the backup")
	fl.StringVarP(&f.compress, "compress", "Z", "none",
		"compression on the wire: none, gzip, lz4 or zstd, with :LEVEL (15 and later)")
	fl.StringVar(&f.checksum, "manifest-checksums", string(walreceiver.ChecksumCRC32C),
		"SHA224, SHA256, SHA384, SHA512, CRC32C or NONE (13 and later)")
	fl.IntVar(&b.DBID, "gp-dbid", 0, "Greenplum and Cloudberry: dbid of the new standby")
	fl.BoolVar(&f.cfg.SetAside, "set-aside", false,
		"rename a data directory of the same system that is in the way, such as the former coordinator's, to DIR.old")
	fl.BoolVar(&f.cfg.CatalogOnly, "catalog-only", false,
		"keep the catalogs of every database and nothing else: to be read, and never to be activated")
	fl.BoolVar(&b.Force, "force", false, "replace what an interrupted init left behind")
	fl.BoolVar(&b.NoSync, "no-sync", false, "do not wait for the disk: for tests")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	fl.BoolVar(&f.asJSON, "json", false, "print the result as JSON")
	return cmd
}

func (f *initFlags) parse() error {
	b := &f.cfg.Backup
	switch f.checkpoint {
	case "fast", "spread":
		b.FastCheckpoint = f.checkpoint == "fast"
	default:
		return fmt.Errorf("--checkpoint is fast or spread, not %q", f.checkpoint)
	}
	if f.cfg.Primary == "" {
		return errors.New("no primary given: use --primary")
	}
	if f.cfg.Port < 0 || f.cfg.Port > 65535 {
		return fmt.Errorf("--port %d is out of range", f.cfg.Port)
	}
	var err error
	if b.MaxRate, err = parseRate(f.rate); err != nil {
		return err
	}
	if b.Compression, err = walreceiver.ParseServerCompression(f.compress); err != nil {
		return err
	}
	if b.ManifestChecksums, err = walreceiver.ParseChecksumAlgorithm(f.checksum); err != nil {
		return err
	}
	for _, m := range f.mappings {
		mapping, err := walreceiver.ParseTablespaceMapping(m)
		if err != nil {
			return err
		}
		b.TablespaceMapping = append(b.TablespaceMapping, mapping)
	}
	return nil
}

// parseRate reads pg_basebackup's --max-rate: kB/s, with k or M for kilobytes and megabytes.
func parseRate(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	digits, factor := strings.TrimSuffix(s, "k"), 1
	if d, ok := strings.CutSuffix(s, "M"); ok {
		digits, factor = d, 1024
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < walreceiver.MinBackupRate/factor || n > walreceiver.MaxBackupRate/factor {
		return 0, fmt.Errorf("--max-rate %q: a number of kB/s, or with k or M, between %d kB/s and %d kB/s expected", s,
			walreceiver.MinBackupRate, walreceiver.MaxBackupRate)
	}
	return n * factor, nil
}

func takeSnapshot(cmd *cobra.Command, f initFlags) error {
	progress := newProgress(cmd.ErrOrStderr(), "snapshot", f.quiet)
	f.cfg.Backup.Progress = func(b walreceiver.BackupProgress) { progress.update(b.Done, b.Total) }
	f.cfg.Backup.OnEvent = progress.event
	began := time.Now()
	snap, err := standby.Init(cmd.Context(), f.cfg)
	progress.finish()
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if f.asJSON {
		return printSnapshotJSON(cmd.OutOrStdout(), snap, time.Since(began))
	}
	printSnapshot(cmd.OutOrStdout(), snap, time.Since(began))
	return nil
}

func printSnapshot(w io.Writer, s standby.Snapshot, took time.Duration) {
	fmt.Fprintf(w, "Snapshot of %s %s, system %d, timeline %s\n", s.Server.Flavour, s.Server.VersionText, s.SystemID,
		s.End.Timeline)
	fmt.Fprintf(w, "  %d files, %s, log from %s to %s, in %s\n", s.Files, byteCount(s.Bytes), s.Start.LSN, s.End.LSN,
		took.Round(time.Millisecond))
	if s.SetAside != "" {
		fmt.Fprintf(w, "  what was there is kept as %s: remove it when the standby has caught up\n", s.SetAside)
	}
	if s.Verified > 0 {
		fmt.Fprintf(w, "  %d files verified against the manifest (%s)\n", s.Verified, s.Algorithm)
	}
	if s.Left > 0 {
		fmt.Fprintf(w, "  %d files of other relations than catalogs were left out, %s: this mirror can never be activated\n",
			s.Left, byteCount(s.LeftBytes))
	}
	for _, t := range s.Tablespaces {
		fmt.Fprintf(w, "  tablespace %d: %s\n", t.OID, t.Dir)
	}
	if s.Slot != "" {
		fmt.Fprintf(w, "  replication slot %s\n", s.Slot)
	}
	if len(s.MissingConfig) > 0 {
		fmt.Fprintf(w, "The primary keeps %s outside its data directory: copy them into %s before you need the standby.\n",
			strings.Join(s.MissingConfig, ", "), s.Dir)
	}
	fmt.Fprintf(w, "Next: standby run -D %s\n", s.Dir)
}

func printSnapshotJSON(w io.Writer, s standby.Snapshot, took time.Duration) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{
		"data_directory":     s.Dir,
		"server":             s.Server.Flavour.String() + " " + s.Server.VersionText,
		"system_identifier":  strconv.FormatUint(s.SystemID, 10),
		"timeline":           s.End.Timeline,
		"start_lsn":          s.Start.LSN,
		"end_lsn":            s.End.LSN,
		"files":              s.Files,
		"bytes":              s.Bytes,
		"files_left_out":     s.Left,
		"bytes_left_out":     s.LeftBytes,
		"files_verified":     s.Verified,
		"manifest_checksums": s.Algorithm,
		"slot_name":          s.Slot,
		"port":               s.Port,
		"missing_config":     s.MissingConfig,
		"set_aside":          s.SetAside,
		"took_seconds":       took.Seconds(),
		"tablespaces":        len(s.Tablespaces),
		"primary":            walreceiver.RedactConnInfo(s.Conninfo),
		"next":               "standby run -D " + filepath.Clean(s.Dir),
		"wal_segment_size":   uint32(s.SegmentSize),
	})
}
