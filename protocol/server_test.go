// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// dial opens a replication connection to a real server, with a deadline for the test.
func dial(t *testing.T, s *pgserver.Server) (*protocol.Client, net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.ConnString("replication=true"))
	require.NoError(t, err)
	require.NoError(t, conn.SyncConn(ctx))
	hijacked, err := conn.Hijack()
	require.NoError(t, err)
	t.Cleanup(func() { hijacked.Conn.Close() })
	require.NoError(t, hijacked.Conn.SetDeadline(time.Now().Add(2*time.Minute)))
	c := protocol.NewClient(hijacked.Conn)
	c.SetServer(serverOf(s))
	return c, hijacked.Conn
}

func serverOf(s *pgserver.Server) protocol.Server { return protocol.Server{Version: s.Major * 10000} }

func exec(t *testing.T, c *protocol.Client, cmd protocol.Command) protocol.Result {
	t.Helper()
	results, err := c.Exec(cmd)
	require.NoError(t, err, "%s", cmd)
	require.NotEmpty(t, results)
	return results[0]
}

// TestServers has every command answered by a real server of every version.
func TestServers(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		settings := map[string]string{"wal_level": "replica", "max_wal_senders": "5", "wal_keep_size": "64MB"}
		if major == 12 {
			delete(settings, "wal_keep_size")
			settings["wal_keep_segments"] = "4"
		}
		if major >= 17 {
			settings["summarize_wal"] = "on"
		}
		s := pgserver.Start(t, pgserver.Options{Major: major, Settings: settings})
		for _, step := range []struct {
			name string
			run  func(t *testing.T, s *pgserver.Server)
		}{
			{"Identify", serverIdentify},
			{"Errors", serverErrors},
			{"Parse", serverParse},
			{"Slots", serverSlots},
			{"Backup", serverBackup},
			{"CompressedBackup", serverCompressedBackup},
			{"IncrementalBackup", serverIncrementalBackup},
			{"Stream", serverStream},
			{"TimelineSwitch", serverTimelineSwitch},
			{"Shutdown", serverShutdown},
		} {
			t.Run(step.name, func(t *testing.T) { step.run(t, s) })
		}
	})
}

func serverIdentify(t *testing.T, s *pgserver.Server) {
	c, _ := dial(t, s)
	r := exec(t, c, protocol.IdentifySystem{})
	require.Equal(t, s.Value(t, "SELECT system_identifier FROM pg_control_system()"), value(t, r, "systemid"))
	require.Equal(t, "1", value(t, r, "timeline"))
	lsn, err := xlog.ParseLSN(value(t, r, "xlogpos"))
	require.NoError(t, err)
	require.True(t, lsn.Valid())
	dbname, ok := r.Value(0, "dbname")
	require.True(t, ok)
	require.Nil(t, dbname)
	r = exec(t, c, protocol.Show{Name: "wal_segment_size"})
	require.Equal(t, "16MB", value(t, r, "wal_segment_size"))
	r = exec(t, c, protocol.Show{Name: "server_version_num"})
	version, err := strconv.Atoi(value(t, r, "server_version_num"))
	require.NoError(t, err)
	require.Equal(t, s.Major, protocol.Server{Version: version}.Major())
	results, err := c.Exec(protocol.SQL{})
	t.Logf("empty command: %v, %v", results, err)
}

func serverErrors(t *testing.T, s *pgserver.Server) {
	c, _ := dial(t, s)
	check := func(code, file string, err error) {
		t.Helper()
		e, ok := errors.AsType[*protocol.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, code, e.Code, e.Message)
		require.Equal(t, "ERROR", e.Severity)
		require.Equal(t, "ERROR", e.LocalizedSeverity)
		require.Equal(t, file, filepath.Base(e.File))
		require.NotEmpty(t, e.Routine)
		require.Positive(t, e.Line)
		require.False(t, e.Fatal())
	}
	_, err := c.Exec(protocol.TimelineHistory{Timeline: 1})
	check("58P01", "walsender.c", err)
	_, err = c.Exec(protocol.Show{Name: "no_such_setting"})
	check("42704", "guc.c", err)
	_, err = c.Exec(protocol.DropReplicationSlot{Slot: "nosuch"})
	check("42704", "slot.c", err)
	_, err = c.Exec(protocol.CreateReplicationSlot{Slot: "NotAllowed"})
	check("42602", "slot.c", err)
	err = c.StartCopyBoth(protocol.StartReplication{Slot: "nosuch", Start: 0x1000000})
	check("42704", "slot.c", err)
	// A position beyond the end of WAL is refused only after CopyBothResponse.
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 0x7F_00000000, Timeline: 1}))
	_, err = c.NextCopy()
	require.ErrorContains(t, err, "ahead of the WAL flush position")
	err = c.StartCopyBoth(protocol.StartReplication{Start: 0x1000000, Timeline: 7})
	require.ErrorContains(t, err, "is not in this server's history")
	exec(t, c, protocol.IdentifySystem{})
}

// serverParse compares what Parse says with what the server's parser says. Commands with an effect are left out.
func serverParse(t *testing.T, s *pgserver.Server) {
	c, _ := dial(t, s)
	compared, refused := 0, 0
	for _, text := range protocol.CommandTexts() {
		cmd, parseErr := serverOf(s).Parse(text)
		switch cmd.(type) {
		case protocol.BaseBackup, protocol.CreateReplicationSlot, protocol.UploadManifest, protocol.StartReplication:
			continue
		}
		if strings.ContainsRune(text, 0) || outOfRange(text) || strings.Contains(text, `""`) {
			continue // the last depends on the minor release
		}
		_, err := c.Exec(protocol.SQL{Text: text})
		compared++
		e, _ := errors.AsType[*protocol.Error](err)
		if want, ok := errors.AsType[*protocol.Error](parseErr); ok {
			refused++
			require.NotNil(t, e, "%q: the server takes it, Parse says %v", text, want)
			if internal := e.Code == "XX000"; !internal {
				require.Equal(t, want.Code, e.Code, "%q: the server says %v, Parse says %v", text, e, want)
			}
			continue
		}
		if e != nil && e.Code == "42601" {
			t.Errorf("%q: Parse takes it, the server says %v", text, e)
		}
		if _, isSQL := cmd.(protocol.SQL); isSQL {
			require.ErrorContains(t, err, "cannot execute SQL commands in WAL sender for physical replication", "%q", text)
		} else if e != nil {
			require.NotContains(t, e.Message, "cannot execute SQL commands", "%q", text)
		}
	}
	t.Logf("%d texts compared, %d of them refused", compared, refused)
	require.NotZero(t, compared)
}

// outOfRange tells of the numbers that Parse refuses and the server cuts.
func outOfRange(text string) bool {
	return strings.Contains(text, "4294967296") || strings.Contains(text, "123456789")
}

func serverSlots(t *testing.T, s *pgserver.Server) {
	c, _ := dial(t, s)
	servers := []protocol.Server{serverOf(s)}
	if s.Major >= 15 {
		servers = append(servers, protocol.Server{Version: 140000}) // words are understood, too
	}
	for i, syntax := range servers {
		text, err := protocol.CreateReplicationSlot{Slot: "kept", ReserveWAL: true}.Format(syntax)
		require.NoError(t, err)
		r := exec(t, c, protocol.SQL{Text: text})
		require.Equal(t, "kept", value(t, r, "slot_name"))
		require.Equal(t, "0/0", value(t, r, "consistent_point"))
		if s.Major >= 15 {
			r = exec(t, c, protocol.ReadReplicationSlot{Slot: "kept"})
			require.Equal(t, "physical", value(t, r, "slot_type"))
			require.Equal(t, "1", value(t, r, "restart_tli"))
			lsn, err := xlog.ParseLSN(value(t, r, "restart_lsn"))
			require.NoError(t, err)
			require.True(t, lsn.Valid())
		}
		exec(t, c, protocol.DropReplicationSlot{Slot: "kept", Wait: i == 0})
		require.Equal(t, "0", s.Value(t, "SELECT count(*) FROM pg_replication_slots"))
	}
	if s.Major >= 15 {
		r := exec(t, c, protocol.ReadReplicationSlot{Slot: "nosuch"})
		restart, ok := r.Value(0, "restart_lsn")
		require.True(t, ok)
		require.Nil(t, restart)
	}
	exec(t, c, protocol.CreateReplicationSlot{Slot: "passing", Temporary: true})
	require.Equal(t, "t", s.Value(t, "SELECT temporary FROM pg_replication_slots WHERE slot_name = 'passing'"))
	exec(t, c, protocol.DropReplicationSlot{Slot: "passing"})
}

// received is a base backup by archive.
type received struct {
	files    map[string][]string // archive to the names in it
	manifest []byte
	progress int
	end      protocol.Position
}

// receive takes a whole backup and reads its archives as tar files.
func receive(t *testing.T, stream *protocol.BackupStream) received {
	t.Helper()
	rec := received{files: map[string][]string{}}
	var archive, name = (*bytes.Buffer)(nil), ""
	finish := func() {
		if archive == nil {
			return
		}
		for r := tar.NewReader(archive); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			rec.files[name] = append(rec.files[name], h.Name)
		}
		archive = nil
	}
	for {
		ev, err := stream.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch ev.Kind {
		case protocol.BackupArchive:
			finish()
			archive, name = new(bytes.Buffer), ev.Name
		case protocol.BackupManifest:
			finish()
			rec.manifest = []byte{}
		case protocol.BackupData:
			if rec.manifest != nil {
				rec.manifest = append(rec.manifest, ev.Data...)
			} else {
				archive.Write(ev.Data)
			}
		case protocol.BackupProgress:
			rec.progress++
		}
	}
	finish()
	end, err := stream.End()
	require.NoError(t, err)
	rec.end = end
	return rec
}

func serverBackup(t *testing.T, s *pgserver.Server) {
	location, err := s.MakeDir("space")
	require.NoError(t, err)
	s.SQL(t, "CREATE TABLESPACE space LOCATION '"+location+"'")
	s.SQL(t, "CREATE TABLE moved TABLESPACE space AS SELECT generate_series(1, 1000) AS i")
	oid := s.Value(t, "SELECT oid FROM pg_tablespace WHERE spcname = 'space'")
	c, _ := dial(t, s)
	notices := 0
	c.OnNotice(func(*protocol.Error) { notices++ })
	cmd := protocol.BaseBackup{Label: "it's a test", Progress: true, FastCheckpoint: true, WAL: true, TablespaceMap: true,
		NoWait: true, MaxRate: 1048576, NoVerifyChecksums: true}
	if s.Major >= 13 {
		cmd.Manifest, cmd.ManifestChecksums = protocol.ManifestYes, "SHA256"
	}
	exec(t, c, protocol.IdentifySystem{})
	stream, err := c.BaseBackup(cmd)
	require.NoError(t, err)
	require.Len(t, stream.Tablespaces, 2)
	for _, space := range stream.Tablespaces {
		require.Positive(t, space.Size)
		if space.OID != 0 {
			require.Equal(t, oid, fmt.Sprint(space.OID))
			require.Equal(t, location, space.Location)
		}
	}
	rec := receive(t, stream)
	require.Greater(t, rec.end.LSN, stream.Start.LSN)
	require.Equal(t, xlog.TimelineID(1), rec.end.Timeline)
	require.Len(t, rec.files, 2)
	require.NotEmpty(t, rec.files[oid+".tar"])
	for _, name := range []string{"backup_label", "tablespace_map", "global/pg_control", "PG_VERSION"} {
		require.Contains(t, rec.files["base.tar"], name)
	}
	if s.Major >= 13 {
		var manifest struct {
			Files []struct{} `json:"Files"`
		}
		require.NoError(t, json.Unmarshal(rec.manifest, &manifest))
		require.NotEmpty(t, manifest.Files)
	}
	require.Equal(t, s.Major >= 15, rec.progress > 0)
	exec(t, c, protocol.IdentifySystem{})
	t.Logf("%d files, manifest of %d bytes, %d progress reports, %d notices",
		len(rec.files["base.tar"])+len(rec.files[oid+".tar"]), len(rec.manifest), rec.progress, notices)
}

func serverCompressedBackup(t *testing.T, s *pgserver.Server) {
	if s.Major < 15 {
		t.Skip("came with version 15")
	}
	c, _ := dial(t, s)
	magics := map[string]string{"gzip": "\x1f\x8b", "lz4": "\x04\x22\x4d\x18", "zstd": "\x28\xb5\x2f\xfd"}
	suffixes := map[string]string{"gzip": ".gz", "lz4": ".lz4", "zstd": ".zst"}
	done := 0
	for method, magic := range magics {
		stream, err := c.BaseBackup(protocol.BaseBackup{FastCheckpoint: true, NoWait: true, Target: "client",
			Compression: method, CompressionDetail: "level=1"})
		if err != nil {
			require.ErrorContains(t, err, "this build")
			t.Log(err)
			continue
		}
		archives, inArchive := 0, 0
		for {
			ev, err := stream.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			switch {
			case ev.Kind == protocol.BackupArchive:
				require.True(t, strings.HasSuffix(ev.Name, ".tar"+suffixes[method]), ev.Name)
				archives, inArchive = archives+1, 0
			case ev.Kind == protocol.BackupData:
				if inArchive == 0 {
					require.True(t, bytes.HasPrefix(ev.Data, []byte(magic)), "%x", ev.Data[:4])
				}
				inArchive += len(ev.Data)
			}
		}
		_, err = stream.End()
		require.NoError(t, err)
		require.Len(t, stream.Tablespaces, archives)
		done++
	}
	t.Logf("%d ways to compress", done)
	require.NotZero(t, done)
}

func serverIncrementalBackup(t *testing.T, s *pgserver.Server) {
	if s.Major < 17 {
		t.Skip("came with version 17")
	}
	c, _ := dial(t, s)
	full, err := c.BaseBackup(protocol.BaseBackup{FastCheckpoint: true, NoWait: true, Manifest: protocol.ManifestYes})
	require.NoError(t, err)
	manifest := receive(t, full).manifest
	require.NoError(t, c.UploadManifest(bytes.NewReader(manifest)))
	stream, err := c.BaseBackup(protocol.BaseBackup{FastCheckpoint: true, NoWait: true, Incremental: true})
	require.NoError(t, err)
	incremental := 0
	for _, name := range receive(t, stream).files["base.tar"] {
		if strings.Contains(name, "INCREMENTAL.") {
			incremental++
		}
	}
	t.Logf("%d incremental files", incremental)
	require.NotZero(t, incremental)
	err = c.UploadManifest(strings.NewReader("no manifest"))
	_, ok := errors.AsType[*protocol.Error](err)
	require.True(t, ok, "%v", err)
	exec(t, c, protocol.IdentifySystem{})
}

// stream reads WAL from a position up to another one and acknowledges it.
func stream(t *testing.T, c *protocol.Client, from, to xlog.LSN) []byte {
	t.Helper()
	var wal []byte
	for xlog.LSN(len(wal)) < to-from {
		payload, err := c.NextCopy()
		require.NoError(t, err)
		switch payload[0] {
		case protocol.TagXLogData:
			var data protocol.XLogData
			require.NoError(t, data.Decode(payload))
			require.Equal(t, from.Add(len(wal)), data.Start)
			require.GreaterOrEqual(t, data.End, data.Start.Add(len(data.Data)))
			require.WithinDuration(t, time.Now(), data.SendTime, time.Minute)
			wal = append(wal, data.Data...)
		case protocol.TagKeepalive:
			var keepalive protocol.Keepalive
			require.NoError(t, keepalive.Decode(payload))
		default:
			t.Fatalf("payload %q", payload[0])
		}
	}
	acknowledge(t, c, from.Add(len(wal)))
	return wal
}

func acknowledge(t *testing.T, c *protocol.Client, lsn xlog.LSN) {
	t.Helper()
	status := protocol.StandbyStatus{Write: lsn, Flush: lsn, SendTime: time.Now()}
	require.NoError(t, c.SendCopyData(status.Append(nil)))
}

func serverStream(t *testing.T, s *pgserver.Server) {
	c, _ := dial(t, s)
	s.SQL(t, "CREATE TABLE streamed AS SELECT generate_series(1, 20000) AS i")
	end, err := xlog.ParseLSN(s.Value(t, "SELECT pg_current_wal_flush_lsn()"))
	require.NoError(t, err)
	const segment = 16 << 20
	start := end - end%segment
	exec(t, c, protocol.IdentifySystem{})
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: start, Timeline: 1}))
	wal := stream(t, c, start, end)
	name := s.Value(t, "SELECT pg_walfile_name('"+start.Add(1).String()+"')")
	file, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", name))
	require.NoError(t, err)
	require.True(t, bytes.Equal(file[:end-start], wal[:end-start]), "the stream differs from the segment")

	xmin, err := strconv.ParseUint(s.Value(t, "SELECT txid_snapshot_xmin(txid_current_snapshot())"), 10, 32)
	require.NoError(t, err)
	feedback := protocol.HotStandbyFeedback{SendTime: time.Now(), Xmin: uint32(xmin)}
	require.NoError(t, c.SendCopyData(feedback.Append(nil)))
	status := protocol.StandbyStatus{Write: end, Flush: end, Apply: end, SendTime: time.Now(), ReplyRequested: true}
	require.NoError(t, c.SendCopyData(status.Append(nil)))
	for {
		payload, err := c.NextCopy()
		require.NoError(t, err)
		if payload[0] == protocol.TagKeepalive {
			break
		}
	}
	require.Equal(t, [][]string{{end.String(), end.String(), fmt.Sprint(xmin)}},
		s.SQL(t, "SELECT flush_lsn, replay_lsn, backend_xmin FROM pg_stat_replication"))
	require.NoError(t, c.SendCopyDone())
	next, err := c.EndCopyBoth()
	require.NoError(t, err)
	require.Nil(t, next)
	exec(t, c, protocol.IdentifySystem{})
	t.Logf("%d bytes of WAL equal to the server's", end-start)
}

// serverTimelineSwitch makes the server a standby and promotes it, and streams over the switch.
func serverTimelineSwitch(t *testing.T, s *pgserver.Server) {
	signal := filepath.Join(s.DataDir, "standby.signal")
	require.NoError(t, s.Stop(pgserver.Fast))
	require.NoError(t, os.WriteFile(signal, nil, 0o600))
	require.NoError(t, pgserver.Chown(signal))
	require.NoError(t, s.Start())
	require.NoError(t, s.Promote())
	c, _ := dial(t, s)
	r := exec(t, c, protocol.IdentifySystem{})
	require.Equal(t, "2", value(t, r, "timeline"))
	r = exec(t, c, protocol.TimelineHistory{Timeline: 2})
	require.Equal(t, "00000002.history", value(t, r, "filename"))
	history, err := xlog.ParseHistory(2, []byte(value(t, r, "content")))
	require.NoError(t, err)
	at, to, ok := history.SwitchPoint(1)
	require.True(t, ok)
	want := &protocol.NextTimeline{Timeline: to, Start: at}

	const segment = 16 << 20
	start := at - at%segment
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: start, Timeline: 1}))
	stream(t, c, start, at)
	for err == nil {
		_, err = c.NextCopy()
	}
	require.Equal(t, io.EOF, err)
	require.NoError(t, c.SendCopyDone())
	next, err := c.EndCopyBoth()
	require.NoError(t, err)
	require.Equal(t, want, next)

	err = c.StartCopyBoth(protocol.StartReplication{Start: at, Timeline: 1})
	end, ok := errors.AsType[*protocol.TimelineEnd](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want, end.Next)
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: start, Timeline: 2}))
	stream(t, c, start, at)
}

// serverShutdown has a client that acknowledges everything while the server is shut down.
func serverShutdown(t *testing.T, s *pgserver.Server) {
	c, _ := dial(t, s)
	r := exec(t, c, protocol.IdentifySystem{})
	lsn, err := xlog.ParseLSN(value(t, r, "xlogpos"))
	require.NoError(t, err)
	start := lsn - 1 - (lsn-1)%(16<<20)
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: start}))
	stream(t, c, start, lsn) // until it streams, a walsender is terminated like any other backend
	stopped := make(chan error)
	go func() { stopped <- s.Stop(pgserver.Fast) }()
	var data protocol.XLogData
	for err == nil {
		var payload []byte
		payload, err = c.NextCopy()
		if err == nil && data.Decode(payload) == nil {
			lsn = data.Start.Add(len(data.Data))
		}
		if err == nil {
			acknowledge(t, c, lsn)
		}
	}
	require.ErrorIs(t, err, protocol.ErrServerShutdown)
	require.NoError(t, <-stopped)
}
