// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// WALMode says how the WAL that a backup needs gets into its pg_wal.
type WALMode string

// WAL modes.
const (
	WALStream WALMode = "stream" // over a second connection, while the backup runs
	WALFetch  WALMode = "fetch"  // by the server, at the end of the backup; it must not have removed it by then
	WALNone   WALMode = "none"   // not at all: it must come from an archive
)

// ServerCompression is how the server compresses what it sends: PostgreSQL 15 and later, if it was built with it.
type ServerCompression struct {
	Method string // gzip, lz4 or zstd; empty or none
	Detail string // for example level=5,workers=2
}

// ParseServerCompression reads METHOD or METHOD:DETAIL, where DETAIL may be the level alone.
func ParseServerCompression(s string) (ServerCompression, error) {
	method, detail, _ := strings.Cut(s, ":")
	if _, err := strconv.Atoi(detail); err == nil {
		detail = "level=" + detail
	}
	c := ServerCompression{Method: method, Detail: detail}
	return c, c.validate()
}

func (c ServerCompression) validate() error {
	switch c.Method {
	case "", "none":
		if c.Detail != "" {
			return errors.New("compression without a method cannot have a detail")
		}
	case "gzip", "lz4", "zstd":
	default:
		return fmt.Errorf("unknown compression %q: must be gzip, lz4, zstd or none", c.Method)
	}
	return nil
}

// GreenplumExcludes are the paths that Greenplum's gpinitstandby leaves out of the copy.
var GreenplumExcludes = []string{"./db_dumps", "./promote", "./db_analyze"}

// The bounds of BackupConfig.MaxRate, in kB/s (MAX_RATE_LOWER and MAX_RATE_UPPER in basebackup.c).
const (
	MinBackupRate = 32
	MaxBackupRate = 1 << 20
)

// DefaultBackupIdleTimeout is the default of BackupConfig.IdleTimeout.
const DefaultBackupIdleTimeout = 5 * time.Minute

// BackupConfig says what to copy and where to. ConnString and Dir are needed.
type BackupConfig struct {
	ConnString      string // conninfo or URL, see Connect
	ApplicationName string // see ConnectOptions
	Dir             string // the new data directory: absent or empty
	Force           bool   // remove the content of a Dir, or tablespace, that has pgdata.IncompleteMarker in it

	Label             string            // of the backup; default "walmirror base backup"
	FastCheckpoint    bool              // begin with an immediate checkpoint, not one spread over minutes
	MaxRate           int               // kB/s, MinBackupRate to MaxBackupRate; 0 is no limit
	Compression       ServerCompression // of the transfer
	NoVerifyChecksums bool              // the server does not check its pages; always so on Greenplum
	NoSync            bool              // leave out every fsync: for tests

	// NoManifest does without a manifest, and so without any check of what arrives; always so before PostgreSQL 13.
	NoManifest bool
	// ManifestChecksums is how files are checked: default CRC32C.
	ManifestChecksums ChecksumAlgorithm

	TablespaceMapping []TablespaceMapping

	// WAL is how the WAL comes along; default WALStream.
	WAL WALMode
	// Slot is the permanent slot that keeps the WAL while it is streamed, and that a standby goes on with. Without
	// it a temporary slot is used, or none with NoSlot.
	Slot string
	// CreateSlot makes Slot before the backup begins. When the backup fails it is dropped again.
	CreateSlot bool
	// ReuseSlot takes an existing Slot when CreateSlot finds one, and never drops it.
	ReuseSlot bool
	NoSlot    bool

	// DBID is the id that a Greenplum or Cloudberry cluster has for the new instance (gp_segment_configuration.dbid).
	// It is needed there: tablespaces live below it.
	DBID int
	// Exclude are paths that Greenplum leaves out, as "./log"; nil stands for GreenplumExcludes.
	Exclude []string

	// IdleTimeout is how long the server may be silent while it sends; not while it makes its checkpoint. Negative is
	// for ever.
	IdleTimeout time.Duration

	// Verify checks the WAL that is streamed, see Config; nil does not.
	Verify *VerifyConfig

	// Keep, if set, is called when the backup has begun, and returns which of the files that come are written; a name is a
	// path below Dir, through pg_tblspc/OID for a file in a tablespace. All others are received and checked, and that is
	// all. Tablespaces are then directories in pg_tblspc, whatever they are on the server, and there is no
	// backup_manifest, which would list files that are not there.
	Keep func(ctx context.Context) (func(name string) bool, error)

	// Configure, if set, is called with Dir when everything else has arrived, and while the directory still says that it
	// is incomplete: for what makes a standby of the copy. What it writes it makes durable itself.
	Configure func(dir string) error

	// Progress, if set, is called for each file and each 256 KiB. It must return soon.
	Progress func(BackupProgress)
	// OnEvent, if set, is called for each step, each notice of the server, and the events of the Receiver that streams
	// the WAL, one at a time, while the backup waits.
	OnEvent func(Event)
}

// BackupProgress says how far a backup is.
type BackupProgress struct {
	Done  int64  // bytes of archives that have been unpacked
	Total int64  // the server's estimate, never less than Done
	File  string // last one that was begun, below the data directory
}

// BackupResult describes a finished backup.
type BackupResult struct {
	Server      ServerInfo
	SystemID    uint64
	SegmentSize xlog.SegmentSize
	Start, End  Position // of the WAL that makes it consistent
	Dir         string   // absolute
	Tablespaces []BackupTablespace
	Files       int   // files that were written, without WAL that was streamed
	Bytes       int64 // in them
	Left        int   // files that BackupConfig.Keep did not want
	LeftBytes   int64
	// Verified counts the files that were compared with the manifest, by Algorithm; 0 without a manifest.
	Verified  int
	Algorithm ChecksumAlgorithm
	Slot      string // permanent slot that was used, or empty
}

const defaultBackupLabel = "walmirror base backup"

func (cfg *BackupConfig) complete() error {
	if cfg.Dir == "" {
		return errors.New("base backup: no directory given")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return err
	}
	cfg.Dir = dir
	if cfg.Label == "" {
		cfg.Label = defaultBackupLabel
	}
	if cfg.WAL == "" {
		cfg.WAL = WALStream
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = DefaultBackupIdleTimeout
	}
	if cfg.ManifestChecksums == "" {
		cfg.ManifestChecksums = ChecksumCRC32C
	}
	cfg.IdleTimeout = max(cfg.IdleTimeout, 0)
	return cfg.validate()
}

func (cfg *BackupConfig) validate() error {
	switch cfg.WAL {
	case WALStream, WALFetch, WALNone:
	default:
		return fmt.Errorf("base backup: unknown WAL mode %q", cfg.WAL)
	}
	if cfg.MaxRate != 0 && (cfg.MaxRate < MinBackupRate || cfg.MaxRate > MaxBackupRate) {
		return fmt.Errorf("base backup: transfer rate %d kB/s is not between %d and %d",
			cfg.MaxRate, MinBackupRate, MaxBackupRate)
	}
	if cfg.Slot == "" && (cfg.CreateSlot || cfg.ReuseSlot) {
		return errors.New("base backup: a slot to be made needs a name")
	}
	if cfg.Slot != "" && cfg.NoSlot {
		return errors.New("base backup: both a slot and no slot")
	}
	if _, err := ParseChecksumAlgorithm(string(cfg.ManifestChecksums)); err != nil {
		return fmt.Errorf("base backup: %w", err)
	}
	for _, m := range cfg.TablespaceMapping {
		if err := m.validate(); err != nil {
			return fmt.Errorf("base backup: %w", err)
		}
	}
	if err := cfg.Compression.validate(); err != nil {
		return fmt.Errorf("base backup: %w", err)
	}
	return nil
}

// forServer completes the configuration with what follows from the server, and refuses what does not fit it.
func (cfg *BackupConfig) forServer(s protocol.Server) error {
	greenplum := s.Flavour != xlog.PostgreSQL
	switch {
	case greenplum && cfg.DBID <= 0:
		return fmt.Errorf("base backup: %s needs the dbid of the new instance (--gp-dbid): it is the one that "+
			"gp_add_coordinator_standby returned, and in gp_segment_configuration", s.Flavour)
	case !greenplum && (cfg.DBID != 0 || len(cfg.Exclude) > 0):
		return errors.New("base backup: a dbid and excluded paths are Greenplum's, the server is PostgreSQL")
	}
	if greenplum {
		cfg.NoVerifyChecksums = true // append-optimized files have no pages
		if cfg.Exclude == nil {
			cfg.Exclude = GreenplumExcludes
		}
	}
	if s.Major() < 13 {
		cfg.NoManifest = true
	}
	return nil
}

// command is BASE_BACKUP as pg_basebackup's plain format asks for it. It asks for no tablespace_map: with one, the
// server that starts on the copy would point the links in pg_tblspc at the places that the primary uses.
func (cfg *BackupConfig) command() protocol.BaseBackup {
	cmd := protocol.BaseBackup{
		Label:             cfg.Label,
		Progress:          true,
		FastCheckpoint:    cfg.FastCheckpoint,
		WAL:               cfg.WAL == WALFetch,
		NoWait:            cfg.WAL != WALNone,
		MaxRate:           uint32(cfg.MaxRate),
		NoVerifyChecksums: cfg.NoVerifyChecksums,
		Exclude:           cfg.Exclude,
	}
	if !cfg.NoManifest {
		cmd.Manifest = protocol.ManifestYes
		cmd.ManifestChecksums = string(cfg.ManifestChecksums)
	}
	if m := cfg.Compression.Method; m != "" && m != "none" {
		cmd.Compression, cmd.CompressionDetail = m, cfg.Compression.Detail
	}
	return cmd
}
