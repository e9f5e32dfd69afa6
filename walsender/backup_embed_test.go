// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"io/fs"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// memBackups is an embedder's own source of log and backups, in memory. It is a Backup too.
type memBackups struct {
	*MemSource
	control pgdata.ControlFile
	files   fstest.MapFS
	began   chan struct{} // nil, or closed when a backup begins
	ended   int
}

func newMemBackups(id Identity) *memBackups {
	start := id.SegmentSize.Start(7)
	m := &memBackups{MemSource: NewMemSource(id, 1, start)}
	m.Append(noise(3 << 20))
	m.control = pgdata.ControlFile{
		SystemIdentifier: id.SystemID, PgControlVersion: 1300, CatalogVersionNo: 202209061,
		State: pgdata.DBInArchiveRecovery, CheckPoint: start.Add(200), MinRecoveryPoint: start.Add(3<<20 - 100),
		MinRecoveryPointTLI: 1, XlogSegSize: uint32(id.SegmentSize), Blcksz: 8192, XlogBlcksz: 8192, RelsegSize: 131072,
		FloatFormat: 1234567,
	}
	m.control.CheckPointCopy = pgdata.CheckPoint{Redo: start.Add(100), ThisTimeLineID: 1, FullPageWrites: true}
	m.files = fstest.MapFS{
		"PG_VERSION": {Data: []byte("15\n"), Mode: 0o600}, "pg_wal": {Mode: fs.ModeDir | 0o700},
		"pg_tblspc": {Mode: fs.ModeDir | 0o700}, "global/1262": {Data: noise(8192 * 100), Mode: 0o600},
	}
	for i := range 100 {
		m.files["base/5/"+strconv.Itoa(16384+i)] = &fstest.MapFile{Data: noise(i), Mode: 0o600}
	}
	return m
}

func (m *memBackups) StartBackup(context.Context, BackupOptions) (Backup, error) {
	if m.began != nil {
		close(m.began)
	}
	return m, nil
}
func (m *memBackups) Control() *pgdata.ControlFile    { return &m.control }
func (m *memBackups) Files() fs.FS                    { return m.files }
func (m *memBackups) Tablespaces() []BackupTablespace { return nil }
func (m *memBackups) End(context.Context) (BackupEnd, error) {
	return BackupEnd{Control: &m.control}, nil
}
func (m *memBackups) Close() error { m.ended++; return nil }

// TestBackupOfEmbedder: a backup of what is no directory.
func TestBackupOfEmbedder(t *testing.T) {
	t.Parallel()
	for _, version := range []int{120022, 130023, 150018, 180004} {
		id := testIdentity()
		id.ServerVersion, id.DataDirectoryMode = version, 0o700
		source := newMemBackups(id)
		s := serve(t, Config{Source: source})
		result, err := walreceiver.BaseBackup(t.Context(), walreceiver.BackupConfig{
			ConnString: connString(s, ""), Dir: t.TempDir(), WAL: walreceiver.WALFetch, NoSync: true,
		})
		require.NoError(t, err)
		require.Equal(t, source.control.CheckPointCopy.Redo, result.Start.LSN)
		require.Equal(t, source.control.MinRecoveryPoint, result.End.LSN)
		control, err := pgdata.ReadControl(vfs.OS, result.Dir)
		require.NoError(t, err)
		require.Equal(t, source.control.MinRecoveryPoint, control.MinRecoveryPoint)
		require.Equal(t, 1, source.ended)
	}
}

// TestBackupIsCanceled: while a backup goes on the session says so; a cancel request ends the backup and not the session,
// and a stop of the server ends both.
func TestBackupIsCanceled(t *testing.T) {
	t.Parallel()
	source := newMemBackups(testIdentity())
	source.began = make(chan struct{})
	s := serve(t, Config{Source: source})
	conn := connect(t, s, "replication=true")
	done := make(chan error, 1)
	slow := func() {
		_, err := conn.Exec(context.Background(), "BASE_BACKUP (MAX_RATE 32)").ReadAll()
		done <- err
	}
	go slow()
	<-source.began
	require.Equal(t, StateBackup, s.Replication()[0].State)
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, conn.CancelRequest(t.Context()))
	var ended *pgconn.PgError
	require.ErrorAs(t, <-done, &ended)
	require.Equal(t, codeQueryCanceled, ended.Code)
	require.Equal(t, StateStartup, s.Replication()[0].State)
	require.Equal(t, 1, source.ended)

	source.began = make(chan struct{})
	go slow()
	<-source.began
	s.beginStop()
	require.ErrorAs(t, <-done, &ended)
	require.Equal(t, codeAdminShutdown, ended.Code)
}

// TestBackupRefused: what there is not.
func TestBackupRefused(t *testing.T) {
	t.Parallel()
	id := testIdentity()
	id.ServerVersion = 170010
	s := serve(t, Config{Source: newMemBackups(id)})
	conn := connect(t, s, "replication=true")
	for _, text := range []string{"BASE_BACKUP (INCREMENTAL)", "UPLOAD_MANIFEST"} {
		_, err := conn.Exec(t.Context(), text).ReadAll()
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, codeNotInPrerequisiteState, refused.Code)
		require.Contains(t, refused.Message, "unless WAL summarization is enabled")
	}
	_, err := connect(t, serve(t, Config{}), "replication=true").Exec(t.Context(), "BASE_BACKUP").ReadAll()
	require.ErrorContains(t, err, "no data directory")
}

// TestBackupWithoutItsLog: log that is gone is an error, with PostgreSQL's words.
func TestBackupWithoutItsLog(t *testing.T) {
	t.Parallel()
	source := newMemBackups(testIdentity())
	source.RemoveBefore(testSegment.Start(8))
	conn := connect(t, serve(t, Config{Source: source}), "replication=true")
	_, err := conn.Exec(t.Context(), "BASE_BACKUP (WAL)").ReadAll()
	require.ErrorContains(t, err, "requested WAL segment 000000010000000000000007 has already been removed")
	_, err = conn.Exec(t.Context(), "BASE_BACKUP").ReadAll()
	require.NoError(t, err)
}

// TestTimelineSpans: where a history is on each of its timelines.
func TestTimelineSpans(t *testing.T) {
	t.Parallel()
	pos := Position{Timeline: 3, Flush: 0x900, History: xlog.History{
		Timeline: 3, Ancestors: []xlog.Switch{{Timeline: 1, LSN: 0x300}, {Timeline: 2, LSN: 0x700}},
	}}
	require.Equal(t, []timelineSpan{{1, 0, 0x300}, {2, 0x300, 0x700}, {3, 0x700, 0x900}}, timelineSpans(pos))
}
