// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgproto3/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// The recorded cluster: what it is, and where its log was at which moment.
const (
	recordedSystem = 7711133882651012132
	recordedDBID   = 4
	recordedSpace  = 16396
	afterBackup    = xlog.LSN(0x8000138)  // end of base-t0
	endOfFirst     = xlog.LSN(0x280000D8) // of timeline 1
	endOfSecond    = xlog.LSN(0x291A3F88) // of timeline 2
	greenplumChunk = 512 << 10            // what one XLogData carries at most
)

// recordedCoordinator plays a Greenplum coordinator from what was recorded of one.
type recordedCoordinator struct {
	t    *testing.T
	data string // of the recording

	mu       sync.Mutex
	timeline xlog.TimelineID
	end      xlog.LSN
	refuse   bool // the next stream gets an error after CopyBothResponse
	names    map[string]bool
	streamed int64 // bytes of WAL
	biggest  int
	crossed  int // chunks that lie in two segments
}

// TestGreenplum: a standby of a Greenplum coordinator, from the snapshot through a failover of the coordinator to another
// standby, has the files that Greenplum's own standby has.
func TestGreenplum(t *testing.T) {
	t.Parallel()
	data := os.Getenv("WALMIRROR_GREENPLUM_DATA")
	if data == "" {
		t.Skip("WALMIRROR_GREENPLUM_DATA does not name the recorded Greenplum clusters")
	}
	if testing.Short() {
		t.Skip("half a gigabyte is streamed: not with -short")
	}
	c := &recordedCoordinator{
		t: t, data: filepath.Join(data, "gp7dev-matrixdb5"), timeline: 1, end: afterBackup, names: map[string]bool{},
	}
	addr := protocoltest.Serve(t, c.serve)
	cfg := standby.InitConfig{Primary: "postgres://gpadmin@" + addr + "/?sslmode=disable", Port: 17001}
	space := t.TempDir()
	cfg.Backup.Dir = filepath.Join(t.TempDir(), "standby")
	cfg.Backup.DBID = recordedDBID
	cfg.Backup.TablespaceMapping = []walreceiver.TablespaceMapping{{Old: "/gp/data/tblspc/ts_one", New: space}}
	notices := 0
	cfg.Backup.OnEvent = func(e walreceiver.Event) {
		if _, ok := e.(walreceiver.ServerNotice); ok {
			notices++
		}
	}
	snap, err := standby.Init(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, 6, notices, "warnings inside the copy")
	require.Empty(t, snap.Slot)
	c.compareSnapshot(snap, space)

	c.moveTo(1, endOfFirst, true)
	s, _ := start(t, standby.Config{Dir: snap.Dir})
	waitFlushed(t, s, endOfFirst)
	require.EqualValues(t, 1, s.Status().Timeline)
	c.moveTo(2, endOfSecond, false)
	waitFlushed(t, s, endOfSecond)
	require.EqualValues(t, 2, s.Status().Timeline)
	c.compareLog(filepath.Join(snap.Dir, "pg_wal"))

	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(t, map[string]bool{walreceiver.GreenplumApplicationName: true}, c.names, "names of streaming clients")
	require.Equal(t, greenplumChunk, c.biggest)
	require.NotZero(t, c.crossed)
	t.Logf("streamed %d MiB in chunks of up to %d KiB, %d of them across two segments", c.streamed>>20, c.biggest>>10, c.crossed)
}

func waitFlushed(t *testing.T, s *standby.Standby, lsn xlog.LSN) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Status().FlushedLSN == lsn }, patience, tick,
		"%s never became durable", lsn)
}

// moveTo lets the coordinator be at another place; those who stream are cut off, as by a restart.
func (c *recordedCoordinator) moveTo(tli xlog.TimelineID, end xlog.LSN, refuse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timeline, c.end, c.refuse = tli, end, refuse
}

func (c *recordedCoordinator) now() (xlog.TimelineID, xlog.LSN) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timeline, c.end
}

// serve answers the commands of one connection, with the result columns and tags that were recorded.
func (c *recordedCoordinator) serve(s *protocoltest.Session) {
	s.Server = protocol.Server{Version: 120000, Flavour: xlog.Greenplum}
	s.Parameters = map[string]string{
		"gp_server_version": "7.0.0 build dev", "server_version": "12", "integer_datetimes": "on",
		"server_encoding": "SQL_ASCII", "client_encoding": "SQL_ASCII", "standard_conforming_strings": "on",
	}
	name := s.Startup()["application_name"]
	for {
		tli, end := c.now()
		switch cmd := s.Command().(type) {
		case protocol.IdentifySystem:
			s.Result([]string{"systemid", "timeline", "xlogpos", "dbname"}, "SELECT", []any{uint64(recordedSystem), tli, end, nil})
		case protocol.Show:
			s.Result([]string{cmd.Name}, "SELECT", []any{map[string]string{
				"wal_segment_size": "64MB", "data_directory_mode": "0700", "wal_sender_timeout": "1min",
				"block_size": "32768", "wal_block_size": "32768",
			}[cmd.Name]})
		case protocol.TimelineHistory:
			s.Result([]string{"filename", "content"}, "SELECT", []any{"00000002.history", string(c.file("tl2/00000002.history"))})
		case protocol.CreateReplicationSlot:
			if !cmd.Temporary {
				c.t.Errorf("a permanent slot was asked for: %s", cmd)
			}
			s.Result([]string{"slot_name", "consistent_point", "snapshot_name", "output_plugin"}, "SELECT",
				[]any{cmd.Slot, "0/0", nil, nil})
		case protocol.BaseBackup:
			c.backup(s)
		case protocol.StartReplication:
			c.stream(s, cmd, name)
			continue
		default:
			c.t.Errorf("unexpected command %s", cmd)
			return
		}
		s.Ready()
	}
}

func (c *recordedCoordinator) file(name string) []byte {
	content, err := os.ReadFile(filepath.Join(c.data, name))
	if err != nil {
		c.t.Error(err)
	}
	return content
}

// unpacked is a recorded file that is stored compressed.
func (c *recordedCoordinator) unpacked(name string) []byte {
	r, err := zstd.NewReader(bytes.NewReader(c.file(name + ".zst")))
	if err == nil {
		defer r.Close()
		var content []byte
		if content, err = io.ReadAll(r); err == nil {
			return content
		}
	}
	c.t.Errorf("%s: %v", name, err)
	return nil
}

// backup sends the recorded archives as BASE_BACKUP did: the tablespace first, then the data directory with the
// warnings about append-optimized files between its bytes.
func (c *recordedCoordinator) backup(s *protocoltest.Session) {
	position := []string{"recptr", "tli"}
	s.Result(position, "SELECT", []any{"0/8000028", 1})
	s.Result([]string{"spcoid", "spclocation", "size"}, "SELECT",
		[]any{recordedSpace, "/gp/data/tblspc/ts_one", 20433}, []any{nil, nil, 125918})
	c.archive(s, "base/base-end.16396.tar", 0)
	c.archive(s, "base/base-t0.tar", 6)
	s.Result(position, "SELECT", []any{afterBackup, 1})
	s.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
}

func (c *recordedCoordinator) archive(s *protocoltest.Session, name string, warnings int) {
	s.CopyOut()
	content := c.unpacked(name)
	for len(content) > 0 {
		n := min(32768, len(content))
		s.CopyData(content[:n])
		content = content[n:]
		if warnings > 0 {
			warnings--
			s.Notice(protocol.Error{Severity: "WARNING", Code: "01000", Message: "cannot verify checksum in file " +
				`"./base/17558/17123.129", block 0: read buffer size 320 and page size 32768 differ`})
		}
	}
	s.CopyDone()
}

// stream plays a walsender until the client leaves or the coordinator is elsewhere.
func (c *recordedCoordinator) stream(s *protocoltest.Session, cmd protocol.StartReplication, name string) {
	tli, end := c.now()
	s.CopyBoth()
	if c.firstRefused() {
		s.Error(protocol.Error{Severity: "ERROR", Code: "XX000", Message: fmt.Sprintf(
			"requested starting point %s is ahead of the WAL flush position of this server 0/5008158 (walsender.c:706)", cmd.Start)})
		s.Backend.SetPhase(protocol.PhaseCommand)
		s.Ready()
		return
	}
	c.mu.Lock()
	c.names[name] = true
	c.mu.Unlock()
	if cmd.Timeline < tli {
		c.send(s, cmd.Timeline, cmd.Start, endOfFirst)
		s.CopyDone()
		for ok := true; ok; {
			_, ok = s.Status()
		}
		s.Backend.SetPhase(protocol.PhaseCommand)
		s.Result([]string{"next_tli", "next_tli_startpos"}, "START_STREAMING", []any{2, endOfFirst})
		s.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
		s.Ready()
		return
	}
	c.send(s, tli, cmd.Start, end)
	for {
		s.Keepalive(end, true)
		status, ok := s.Status()
		if !ok {
			s.CopyDone()
			s.Backend.SetPhase(protocol.PhaseCommand)
			s.Send(&pgproto3.CommandComplete{CommandTag: []byte("START_STREAMING")})
			s.Ready()
			return
		}
		if status.Flush > end {
			c.t.Errorf("flush %s is beyond what was sent, %s", status.Flush, end)
		}
		if nowTLI, nowEnd := c.now(); nowTLI != tli || nowEnd != end {
			s.Conn.Close()
			s.Query() // ends the script
		}
	}
}

func (c *recordedCoordinator) firstRefused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused := c.refuse
	c.refuse = false
	return refused
}

// send streams the recorded segments in chunks of 512 KiB, which lie across the ends of segments.
func (c *recordedCoordinator) send(s *protocoltest.Session, tli xlog.TimelineID, at, end xlog.LSN) {
	size := xlog.GreenplumSegmentSize
	first := greenplumChunk / 2 // so that later ones do not end with the segments
	var pending []byte
	for n := size.Number(at); size.Start(n) < end; n++ {
		segment := c.segment(tli, n)
		from, to := 0, int(size)
		if n == size.Number(at) {
			from = int(size.Offset(at))
		}
		if n == size.Number(end) {
			to = int(size.Offset(end))
		}
		for content := segment[from:to]; len(content) > 0; {
			take := min(first-len(pending), len(content))
			pending = append(pending, content[:take]...)
			content = content[take:]
			if len(pending) == first {
				at = c.chunk(s, at, pending)
				pending, first = pending[:0], greenplumChunk
			}
		}
	}
	if len(pending) > 0 {
		c.chunk(s, at, pending)
	}
}

func (c *recordedCoordinator) chunk(s *protocoltest.Session, at xlog.LSN, wal []byte) xlog.LSN {
	s.XLogData(at, wal)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streamed += int64(len(wal))
	c.biggest = max(c.biggest, len(wal))
	end := at.Add(len(wal))
	if xlog.GreenplumSegmentSize.Number(at) != xlog.GreenplumSegmentSize.Number(end-1) {
		c.crossed++
	}
	return end
}

func (c *recordedCoordinator) segment(tli xlog.TimelineID, n xlog.SegmentNumber) []byte {
	folder := "wal/"
	if tli == 2 {
		folder = "tl2/"
	}
	return c.unpacked(folder + xlog.GreenplumSegmentSize.Name(tli, n))
}

// compareSnapshot compares every file of the snapshot with the archives that were sent, and what makes it a standby with
// what Greenplum's tools leave.
func (c *recordedCoordinator) compareSnapshot(snap standby.Snapshot, space string) {
	t := c.t
	below := filepath.Join(space, fmt.Sprint(recordedDBID))
	target, err := os.Readlink(filepath.Join(snap.Dir, "pg_tblspc", fmt.Sprint(recordedSpace)))
	require.NoError(t, err)
	require.Equal(t, below, target)
	files := c.compareArchive("base/base-t0.tar", snap.Dir) + c.compareArchive("base/base-end.16396.tar", below)
	require.Greater(t, files, 1400)
	t.Logf("%d files of the snapshot are those of the archives", files)

	internal, err := pgdata.ReadConf(vfs.OS, snap.Dir, "internal.auto.conf")
	require.NoError(t, err)
	dbid, _ := internal.Lookup("gp_dbid")
	require.Equal(t, fmt.Sprint(recordedDBID), dbid)
	auto, err := pgdata.ReadConf(vfs.OS, snap.Dir, pgdata.AutoConfName)
	require.NoError(t, err)
	conninfo, _ := auto.Lookup("primary_conninfo")
	require.Contains(t, conninfo, "application_name=gp_walreceiver")
	_, slot := auto.Lookup("primary_slot_name")
	require.False(t, slot)
}

// compareArchive returns how many files it compared.
func (c *recordedCoordinator) compareArchive(archive, dir string) (files int) {
	r := tar.NewReader(bytes.NewReader(c.unpacked(archive)))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(c.t, err)
		switch h.Name {
		case pgdata.AutoConfName, "internal.auto.conf", "tablespace_map": // made for the standby
			continue
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		want, err := io.ReadAll(r)
		require.NoError(c.t, err)
		got, err := os.ReadFile(filepath.Join(dir, h.Name))
		require.NoError(c.t, err)
		require.True(c.t, bytes.Equal(want, got), "%s differs", h.Name)
		files++
	}
}

// compareLog compares what was received with what the coordinators had in their pg_wal.
func (c *recordedCoordinator) compareLog(dir string) {
	size := xlog.GreenplumSegmentSize
	compared := int64(0)
	compare := func(tli xlog.TimelineID, from, end xlog.LSN) {
		for n := size.Number(from); size.Start(n) < end; n++ {
			length := min(int64(size), end.Sub(size.Start(n)))
			got, err := os.ReadFile(filepath.Join(dir, size.Name(tli, n)))
			require.NoError(c.t, err)
			require.Len(c.t, got, int(size))
			require.True(c.t, bytes.Equal(c.segment(tli, n)[:length], got[:length]), "%s differs", size.Name(tli, n))
			compared += length
		}
	}
	compare(1, 0x8000000, endOfFirst)
	compare(2, 0x28000000, endOfSecond)
	history, err := os.ReadFile(filepath.Join(dir, "00000002.history"))
	require.NoError(c.t, err)
	require.Equal(c.t, c.file("tl2/00000002.history"), history)
	c.t.Logf("%d MiB of log are those of Greenplum's own pg_wal", compared>>20)
}
