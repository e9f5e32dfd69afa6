// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// ErrUnsupported says that a server has no words for a command or for one of its options.
var ErrUnsupported = errors.New("not supported by the server")

// Command is a replication command. The grammar is that of src/backend/replication/repl_gram.y. Commands are plain
// values; what Parse makes of a printed command is equal to it.
type Command interface {
	// String prints the command for the newest PostgreSQL, or says why it cannot be printed.
	String() string
	// Format prints the command for a server. The error wraps ErrUnsupported when the server does not know the
	// command or an option in it, or when a name cannot be written in its grammar.
	Format(s Server) (string, error)
}

// IdentifySystem asks for a row with systemid, timeline, xlogpos and dbname.
type IdentifySystem struct{}

// Show asks for the value of a setting.
type Show struct {
	Name string
}

// TimelineHistory asks for a row with filename and content of a timeline's history file.
type TimelineHistory struct {
	Timeline xlog.TimelineID // not 0
}

// Snapshot is what CREATE_REPLICATION_SLOT ... LOGICAL does with its snapshot.
type Snapshot string

// Snapshot actions. Empty is the server's default, which is to export.
const (
	SnapshotDefault Snapshot = ""
	SnapshotExport  Snapshot = "export"
	SnapshotNothing Snapshot = "nothing"
	SnapshotUse     Snapshot = "use"
)

// CreateReplicationSlot makes a slot and returns a row with slot_name, consistent_point, snapshot_name and
// output_plugin. It is a physical slot when Plugin is empty.
type CreateReplicationSlot struct {
	Slot       string
	Temporary  bool // dropped at the end of the session
	ReserveWAL bool // physical: keep WAL from now on, not only from the first use on

	Plugin   string   // logical: output plugin
	Snapshot Snapshot // logical
	TwoPhase bool     // logical, 15 and later
	Failover bool     // logical, 17 and later
}

// ReadReplicationSlot asks for a row with slot_type, restart_lsn and restart_tli; all are NULL when there is no such
// slot. 15 and later.
type ReadReplicationSlot struct {
	Slot string
}

// AlterReplicationSlot changes a logical slot. Nil leaves a property as it is. 17 and later.
type AlterReplicationSlot struct {
	Slot     string
	Failover *bool
	TwoPhase *bool // 18 and later
}

// DropReplicationSlot removes a slot. With Wait it waits for a slot that is in use, otherwise that is an error.
type DropReplicationSlot struct {
	Slot string
	Wait bool
}

// StartReplication streams WAL from Start on: physical replication.
type StartReplication struct {
	Slot     string // empty: without a slot
	Start    xlog.LSN
	Timeline xlog.TimelineID // 0: the server's newest
}

// PluginOption is an option of an output plugin.
type PluginOption struct {
	Name     string
	Value    string
	HasValue bool
}

// StartLogicalReplication streams the changes that a logical slot decodes. It is here so that a server can recognise
// and refuse it.
type StartLogicalReplication struct {
	Slot    string
	Start   xlog.LSN
	Options []PluginOption
}

// ManifestMode says whether BASE_BACKUP sends a backup manifest.
type ManifestMode string

// Manifest modes.
const (
	ManifestNo          ManifestMode = ""
	ManifestYes         ManifestMode = "yes"
	ManifestForceEncode ManifestMode = "force-encode" // every file name in hexadecimal
)

// BaseBackup asks for a copy of the server's files as tar archives. Up to version 14 its options are words, from 15 on
// a list in parentheses; Format knows.
type BaseBackup struct {
	Label             string // empty: the server's default
	Progress          bool   // fill in the sizes of the tablespaces
	FastCheckpoint    bool   // begin with an immediate checkpoint instead of a spread one
	WAL               bool   // put the WAL needed into the archive
	NoWait            bool   // do not wait until the last WAL segment is archived
	MaxRate           uint32 // KiB/s, 32 to 1048576; 0: no limit
	TablespaceMap     bool   // put a tablespace_map file into the archive
	NoVerifyChecksums bool
	Manifest          ManifestMode // 13 and later
	ManifestChecksums string       // NONE, CRC32C, SHA224, SHA256, SHA384, SHA512; empty: the server's default, CRC32C

	Target            string // 15 and later; empty or "client": here
	TargetDetail      string
	Compression       string // 15 and later: gzip, lz4, zstd, none
	CompressionDetail string // for example "level=5"
	Incremental       bool   // 17 and later, after UPLOAD_MANIFEST

	Exclude []string // Greenplum and Cloudberry: paths to leave out, as in "./db_dumps"
}

// UploadManifest sends the manifest of an earlier backup, for an incremental one. 17 and later.
type UploadManifest struct{}

// SQL is a command that is no replication command. A connection for physical replication refuses it.
type SQL struct {
	Text string
}

func (c IdentifySystem) String() string          { return text(c) }
func (c Show) String() string                    { return text(c) }
func (c TimelineHistory) String() string         { return text(c) }
func (c CreateReplicationSlot) String() string   { return text(c) }
func (c ReadReplicationSlot) String() string     { return text(c) }
func (c AlterReplicationSlot) String() string    { return text(c) }
func (c DropReplicationSlot) String() string     { return text(c) }
func (c StartReplication) String() string        { return text(c) }
func (c StartLogicalReplication) String() string { return text(c) }
func (c BaseBackup) String() string              { return text(c) }
func (c UploadManifest) String() string          { return text(c) }
func (c SQL) String() string                     { return c.Text }

func text(c Command) string {
	s, err := c.Format(Server{})
	if err != nil {
		return fmt.Sprintf("<%v>", err)
	}
	return s
}
