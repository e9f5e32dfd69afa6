// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// greenplumFile reads a file of the recorded cluster, decompressed if its name says so.
func greenplumFile(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("WALMIRROR_GREENPLUM_DATA")
	if dir == "" {
		t.Skip("set WALMIRROR_GREENPLUM_DATA to the folder of recorded Greenplum clusters to enable this test")
	}
	b, err := os.ReadFile(filepath.Join(dir, "gp7dev-matrixdb5", name))
	require.NoError(t, err)
	if filepath.Ext(name) != ".zst" {
		return b
	}
	d, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer d.Close()
	b, err = d.DecodeAll(b, nil)
	require.NoError(t, err)
	return b
}

// greenplum plays a recorded coordinator that takes a base backup.
type greenplum struct {
	recording protocoltest.Recording
	archives  [][]byte // in the order of their COPYs
	segment   []byte   // of WAL, from segmentStart on
	start     xlog.LSN

	mu       sync.Mutex
	names    []string
	commands []protocol.Command
}

func (g *greenplum) serve(t *testing.T) (conninfo string) {
	t.Helper()
	host, port, err := net.SplitHostPort(protocoltest.Serve(t, g.session))
	require.NoError(t, err)
	return fmt.Sprintf("host=%s port=%s user=u sslmode=disable", host, port)
}

func (g *greenplum) session(s *protocoltest.Session) {
	s.Server = protocol.Server{Version: 120000, Flavour: xlog.Greenplum}
	s.Parameters["server_version"], s.Parameters["gp_server_version"] = "12", "7.0.0 build dev"
	name := s.Startup()["application_name"]
	g.mu.Lock()
	g.names = append(g.names, name)
	g.mu.Unlock()
	for {
		cmd := s.Command()
		g.mu.Lock()
		g.commands = append(g.commands, cmd)
		g.mu.Unlock()
		switch cmd := cmd.(type) {
		case protocol.IdentifySystem:
			g.identify(s)
		case protocol.Show:
			s.Result([]string{cmd.Name}, "SHOW", []any{map[string]string{
				"wal_segment_size": "64MB", "block_size": "32768", "wal_block_size": "32768", "data_directory_mode": "0700",
				"wal_sender_timeout": "1min",
			}[cmd.Name]})
			s.Ready()
		case protocol.BaseBackup:
			g.play(s, g.recording.Answers[2])
		case protocol.StartReplication:
			g.stream(s, cmd)
		}
	}
}

// identify answers as recorded, and once the backup has begun with the position that the log has then.
func (g *greenplum) identify(s *protocoltest.Session) {
	g.mu.Lock()
	begun := slices.ContainsFunc(g.commands, func(c protocol.Command) bool {
		_, ok := c.(protocol.BaseBackup)
		return ok
	})
	g.mu.Unlock()
	if !begun {
		g.play(s, g.recording.Answers[1])
		return
	}
	s.Result([]string{"systemid", "timeline", "xlogpos", "dbname"}, "SELECT",
		[]any{"7711133882651012132", "1", g.start.Add(len(g.segment)), nil})
	s.Ready()
}

// play sends an answer as it was recorded, with the archives where their data was left out: half of each after the
// beginning of its COPY, the rest before its end, so that what came between, came between.
func (g *greenplum) play(s *protocoltest.Session, answer []protocoltest.Message) {
	copies := 0
	var rest []byte
	for _, m := range answer {
		if m.Type == 'c' {
			sendArchive(s, rest)
		}
		if err := protocol.NewFrameWriter(s.Conn).Write(m.Type, m.Body, nil); err != nil {
			return
		}
		if m.Type == 'H' {
			archive := g.archives[copies]
			copies++
			half := len(archive)/2 + 77
			sendArchive(s, archive[:half])
			rest = archive[half:]
		}
	}
}

func sendArchive(s *protocoltest.Session, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 32<<10)
		s.CopyData(b[:n])
		b = b[n:]
	}
}

// stream sends the segment in pieces as large as Greenplum's.
func (g *greenplum) stream(s *protocoltest.Session, cmd protocol.StartReplication) {
	s.CopyBoth()
	for at := cmd.Start.Sub(g.start); at < int64(len(g.segment)); {
		n := min(int64(len(g.segment))-at, 512<<10)
		s.XLogData(g.start.Add(int(at)), g.segment[at:at+n])
		at += n
	}
	for {
		if _, ok := s.Status(); !ok {
			break
		}
	}
	s.CopyDone()
	s.Result(nil, "START_STREAMING")
	s.Ready()
}

// compareWithTar compares each member of a recorded archive with what was unpacked.
func compareWithTar(t *testing.T, archive []byte, dir string) {
	t.Helper()
	files, bytesSeen := 0, 0
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		name := filepath.Join(dir, h.Name)
		st, err := os.Lstat(name)
		require.NoError(t, err)
		if h.Typeflag == tar.TypeDir {
			require.True(t, st.IsDir(), name)
			continue
		}
		require.Equal(t, byte(tar.TypeReg), h.Typeflag, name)
		require.Equal(t, fs.FileMode(0o600), st.Mode(), name)
		want, err := io.ReadAll(r)
		require.NoError(t, err)
		if h.Name == "internal.auto.conf" {
			continue
		}
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), name)
		files++
		bytesSeen += len(got)
	}
	require.Greater(t, files, 100)
	t.Logf("%d files with %d bytes equal", files, bytesSeen)
}

// TestBaseBackupGreenplum takes the recorded first backup with its WAL, without a tablespace.
func TestBaseBackupGreenplum(t *testing.T) {
	t.Parallel()
	rec, err := protocoltest.ParseRecording(greenplumFile(t, "proto/basebackup.server.bin"))
	require.NoError(t, err)
	base := greenplumFile(t, "base/base-t0.tar.zst")
	const start xlog.LSN = 0x8000000
	g := &greenplum{recording: rec, archives: [][]byte{base}, start: start,
		segment: greenplumFile(t, "wal/000000010000000000000002.zst")}
	conninfo := g.serve(t)

	dir := filepath.Join(t.TempDir(), "standby")
	cfg := walreceiver.BackupConfig{ConnString: conninfo, Dir: dir, FastCheckpoint: true, NoSlot: true,
		IdleTimeout: 20 * time.Second, OnEvent: func(e walreceiver.Event) { t.Log(e) }}
	_, err = walreceiver.BaseBackup(t.Context(), cfg)
	require.ErrorContains(t, err, "--gp-dbid")
	require.NoDirExists(t, dir)

	cfg.DBID = 9
	result, err := walreceiver.BaseBackup(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, xlog.Greenplum, result.Server.Flavour)
	require.EqualValues(t, 7711133882651012132, result.SystemID)
	require.Equal(t, xlog.GreenplumSegmentSize, result.SegmentSize)
	require.Equal(t, walreceiver.Position{Timeline: 1, LSN: 0x8000028}, result.Start)
	require.Equal(t, walreceiver.Position{Timeline: 1, LSN: 0x8000138}, result.End)
	require.Zero(t, result.Verified)
	compareWithTar(t, base, dir)
	conf, err := os.ReadFile(filepath.Join(dir, "internal.auto.conf"))
	require.NoError(t, err)
	require.Equal(t, "gp_dbid=9\n", string(conf))
	segment, err := os.ReadFile(filepath.Join(dir, "pg_wal", "000000010000000000000002"))
	require.NoError(t, err)
	require.Len(t, segment, int(xlog.GreenplumSegmentSize))
	require.True(t, bytes.Equal(segment, g.segment))

	g.mu.Lock()
	defer g.mu.Unlock()
	require.Contains(t, g.names, walreceiver.GreenplumApplicationName)
	require.Contains(t, g.commands, protocol.Command(protocol.BaseBackup{
		Label: "walmirror base backup", Progress: true, FastCheckpoint: true, NoWait: true, NoVerifyChecksums: true,
		Exclude: walreceiver.GreenplumExcludes,
	}))
}

// TestBaseBackupGreenplumTablespace takes the recorded second backup, with a tablespace and with warnings in the
// middle of the data directory's archive. That archive was not kept; the first one stands in for it.
func TestBaseBackupGreenplumTablespace(t *testing.T) {
	t.Parallel()
	raw := greenplumFile(t, "proto/basebackup_end.server.bin")
	rec, err := protocoltest.ParseRecording(raw)
	require.NoError(t, err)
	location := string(regexp.MustCompile(`/[a-z/_]+/ts_one`).Find(raw))
	require.NotEmpty(t, location)
	base, space := greenplumFile(t, "base/base-t0.tar.zst"), greenplumFile(t, "base/base-end.16396.tar.zst")
	g := &greenplum{recording: rec, archives: [][]byte{space, base}}

	elsewhere := t.TempDir()
	var warnings []string
	result, err := walreceiver.BaseBackup(t.Context(), walreceiver.BackupConfig{
		ConnString: g.serve(t), Dir: filepath.Join(elsewhere, "standby"), DBID: 4, WAL: walreceiver.WALFetch,
		TablespaceMapping: []walreceiver.TablespaceMapping{{Old: location, New: filepath.Join(elsewhere, "spaces", "one")}},
		OnEvent: func(e walreceiver.Event) {
			if n, ok := e.(walreceiver.ServerNotice); ok {
				warnings = append(warnings, n.Notice.Message)
			}
		},
	})
	require.NoError(t, err)
	target := filepath.Join(elsewhere, "spaces", "one", "4")
	require.Equal(t, []walreceiver.BackupTablespace{
		{OID: 16396, Location: location, Dir: target, Size: 20433 * 1024},
	}, result.Tablespaces)
	link, err := os.Readlink(filepath.Join(result.Dir, "pg_tblspc", "16396"))
	require.NoError(t, err)
	require.Equal(t, target, link)
	compareWithTar(t, space, target)
	compareWithTar(t, base, result.Dir)
	require.Len(t, warnings, 6)
	require.Contains(t, warnings[0], "./base/17558/17123.129")
	require.EqualValues(t, 0x24000100, result.End.LSN)
	marked, err := pgdata.IsIncomplete(vfs.OS, target)
	require.NoError(t, err)
	require.False(t, marked)
}
