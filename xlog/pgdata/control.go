// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Errors about a control file. Each is wrapped with what was found.
var (
	// ErrControlCorrupt says that a control file is too short or that its CRC does not match.
	ErrControlCorrupt = errors.New("corrupt control file")
	// ErrControlUnsupported says that a control file is of a version, byte order or machine that is not read here.
	ErrControlUnsupported = errors.New("unsupported control file")
)

// ControlFileName is the control file's path inside a data directory (XLOG_CONTROL_FILE).
const ControlFileName = "global/pg_control"

// ControlFileSize is the size of the file; what follows the struct is zero (PG_CONTROL_FILE_SIZE).
const ControlFileSize = 8192

const (
	maxControlSize = 512       // PG_CONTROL_MAX_SAFE_SIZE: the struct fits one disk sector
	floatFormat    = 1234567.0 // FLOATFORMAT_VALUE
)

// DBState is the cluster's state (DBState in src/include/catalog/pg_control.h).
type DBState uint32

// The states of a cluster.
const (
	DBStartup DBState = iota
	DBShutdowned
	DBShutdownedInRecovery
	DBShutdowning
	DBInCrashRecovery
	DBInArchiveRecovery
	DBInProduction
)

var stateNames = [...]string{
	DBStartup:              "starting up",
	DBShutdowned:           "shut down",
	DBShutdownedInRecovery: "shut down in recovery",
	DBShutdowning:          "shutting down",
	DBInCrashRecovery:      "in crash recovery",
	DBInArchiveRecovery:    "in archive recovery",
	DBInProduction:         "in production",
}

// String is what pg_controldata prints.
func (s DBState) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unrecognized status code"
}

// WalLevel is the wal_level setting as the control file stores it.
type WalLevel uint32

// The levels of WAL.
const (
	WalLevelMinimal WalLevel = iota
	WalLevelReplica
	WalLevelLogical
)

var walLevelNames = [...]string{"minimal", "replica", "logical"}

// String is what pg_controldata prints.
func (l WalLevel) String() string {
	if int(l) < len(walLevelNames) {
		return walLevelNames[l]
	}
	return "unrecognized \"wal_level\""
}

// CheckPoint is the payload of a checkpoint record, and the control file's copy of the last one
// (src/include/catalog/pg_control.h). Fields that a dialect does not have are zero.
type CheckPoint struct {
	Redo              xlog.LSN // where redo begins
	ThisTimeLineID    xlog.TimelineID
	PrevTimeLineID    xlog.TimelineID // differs from ThisTimeLineID when the record begins a timeline
	FullPageWrites    bool
	WalLevel          WalLevel // PostgreSQL 17 on
	NextXid           uint64   // full transaction id: epoch in the upper half
	NextGxid          uint64   // Greenplum: next distributed transaction id
	NextOid           uint32
	NextRelfilenode   uint64 // Greenplum; 32 bits wide in the file of Greenplum 7
	NextMulti         uint32
	NextMultiOffset   uint32
	OldestXid         uint32
	OldestXidDB       uint32
	OldestMulti       uint32
	OldestMultiDB     uint32
	Time              int64 // seconds since 1970
	OldestCommitTsXid uint32
	NewestCommitTsXid uint32
	OldestActiveXid   uint32 // zero unless the checkpoint was an online one
}

// ControlFile is the content of global/pg_control (ControlFileData in src/include/catalog/pg_control.h). Fields that
// a dialect does not have are zero.
type ControlFile struct {
	SystemIdentifier        uint64
	PgControlVersion        uint32
	CatalogVersionNo        uint32
	State                   DBState
	Time                    int64    // of the last update, seconds since 1970
	CheckPoint              xlog.LSN // position of the last checkpoint record
	CheckPointCopy          CheckPoint
	UnloggedLSN             xlog.LSN
	MinRecoveryPoint        xlog.LSN
	MinRecoveryPointTLI     xlog.TimelineID
	BackupStartPoint        xlog.LSN
	BackupEndPoint          xlog.LSN
	BackupEndRequired       bool
	WalLevel                WalLevel
	WalLogHints             bool
	MaxConnections          int32
	MaxWorkerProcesses      int32
	MaxWalSenders           int32
	MaxPreparedXacts        int32
	MaxLocksPerXact         int32
	TrackCommitTimestamp    bool
	MaxAlign                uint32
	FloatFormat             float64
	Blcksz                  uint32 // bytes of a block
	RelsegSize              uint32 // blocks in a segment of a relation
	XlogBlcksz              uint32 // bytes of a WAL page
	XlogSegSize             uint32 // bytes of a WAL segment
	NameDataLen             uint32
	IndexMaxKeys            uint32
	ToastMaxChunkSize       uint32
	Loblksize               uint32
	Float4ByVal             bool // PostgreSQL 12 and Greenplum 7
	Float8ByVal             bool
	DataChecksumVersion     uint32 // 0: no checksums
	DefaultCharSignedness   bool   // PostgreSQL 18 on
	MockAuthenticationNonce [32]byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// DecodeControl reads the content of a control file. The content may be cut after the struct; nothing of it is kept.
func DecodeControl(p []byte) (*ControlFile, error) {
	l, err := layoutOf(p)
	if err != nil {
		return nil, err
	}
	c := new(ControlFile)
	w := &walker{buf: p}
	c.walk(w, l)
	if w.short {
		return nil, fmt.Errorf("%w: %d bytes are too few for version %d", ErrControlCorrupt, len(p), l.control)
	}
	sum := crc(p[:w.off])
	var stored uint32
	if w.u32(&stored); w.short {
		return nil, fmt.Errorf("%w: %d bytes are too few for version %d", ErrControlCorrupt, len(p), l.control)
	}
	if stored != sum {
		return nil, fmt.Errorf("%w: CRC is %08X, computed %08X", ErrControlCorrupt, stored, sum)
	}
	if c.FloatFormat != floatFormat {
		return nil, fmt.Errorf("%w: floating-point format is not IEEE 754", ErrControlUnsupported)
	}
	return c, nil
}

// Encode is the file's content, ControlFileSize bytes with a new CRC, in the layout that c's version numbers ask for.
func (c *ControlFile) Encode() ([]byte, error) {
	l, ok := findLayout(c.PgControlVersion, c.CatalogVersionNo)
	if !ok {
		return nil, fmt.Errorf("%w: version %d", ErrControlUnsupported, c.PgControlVersion)
	}
	w := &walker{buf: make([]byte, ControlFileSize), write: true}
	fields := *c // walk may store what it wrote
	fields.walk(w, l)
	sum := crc(w.buf[:w.off])
	w.u32(&sum)
	return w.buf, nil
}

// SegmentSize is the size of the cluster's WAL segments.
func (c *ControlFile) SegmentSize() xlog.SegmentSize { return xlog.SegmentSize(c.XlogSegSize) }

// A running server rewrites its control file in place, so a read may see half of a change. As PostgreSQL's own tools
// do, a file that fails its CRC is read again until two reads agree (get_controlfile in
// src/common/controldata_utils.c).
const (
	controlReads     = 10
	controlReadPause = 10 * time.Millisecond
)

// ReadControl reads the control file of a data directory, also while a server runs on it.
func ReadControl(fsys vfs.FS, dir string) (*ControlFile, error) {
	path := filepath.Join(dir, ControlFileName)
	var last []byte
	for try := 1; ; try++ {
		p, err := readPrefix(fsys, path, maxControlSize)
		if err != nil {
			return nil, err
		}
		c, err := DecodeControl(p)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, ErrControlCorrupt) || bytes.Equal(p, last) || try == controlReads {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		last = p
		time.Sleep(controlReadPause)
	}
}

// WriteControl replaces the content of a data directory's control file, as PostgreSQL does: in place, by one write,
// then fsync (update_controlfile in src/common/controldata_utils.c). The struct fits a disk sector, which is what
// makes this safe; a rename would not be, for PostgreSQL does not expect one. It does not change c.Time.
func WriteControl(fsys vfs.FS, dir string, c *ControlFile) (err error) {
	p, err := c.Encode()
	if err != nil {
		return err
	}
	f, err := fsys.OpenFile(filepath.Join(dir, ControlFileName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(p, 0); err != nil {
		return err
	}
	return f.Sync()
}
