// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgproto3/v2"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/xlog"
)

// greenplumData is the folder of what a Greenplum coordinator sent.
func greenplumData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WALMIRROR_GREENPLUM_DATA")
	if dir == "" {
		t.Skip("set WALMIRROR_GREENPLUM_DATA to the folder of recorded Greenplum clusters to enable this test")
	}
	return filepath.Join(dir, "gp7dev-matrixdb5")
}

// replay is a Client that has connected to the server of a recording.
func replay(t *testing.T, name string, copyData func(s *protocoltest.Session, n int)) *protocol.Client {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(greenplumData(t), "proto", name))
	require.NoError(t, err)
	rec, err := protocoltest.ParseRecording(b)
	require.NoError(t, err)
	t.Logf("%s: %d bytes, %d answers", name, len(b), len(rec.Answers))
	conn := protocoltest.Pipe(t, func(s *protocoltest.Session) { s.Replay(rec, copyData) })
	startUp(t, conn)
	c := protocol.NewClient(conn)
	c.SetServer(protocol.Server{Version: 120000, Flavour: xlog.Greenplum})
	return c
}

// startUp is a client's startup without a password.
func startUp(t *testing.T, conn net.Conn) {
	t.Helper()
	startup := &pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersionNumber,
		Parameters:      map[string]string{"user": "postgres", "replication": "true"},
	}
	b, err := startup.Encode(nil)
	require.NoError(t, err)
	_, err = conn.Write(b)
	require.NoError(t, err)
	f := protocol.NewFramer(conn, 10000)
	for typ := byte(0); typ != 'Z'; {
		typ, _, err = f.Next()
		require.NoError(t, err)
	}
}

func value(t *testing.T, r protocol.Result, column string) string {
	t.Helper()
	v, ok := r.Value(0, column)
	require.True(t, ok, "%s in %v", column, r.Columns)
	return string(v)
}

func TestGreenplumCommands(t *testing.T) {
	t.Parallel()
	c := replay(t, "identify.server.bin", nil)
	results, err := c.Exec(protocol.IdentifySystem{})
	require.NoError(t, err)
	require.Equal(t, "7711133882651012132", value(t, results[0], "systemid"))
	require.Equal(t, "0/5008158", value(t, results[0], "xlogpos"))
	results, err = c.Exec(protocol.Show{Name: "wal_segment_size"})
	require.NoError(t, err)
	require.Equal(t, "64MB", value(t, results[0], "wal_segment_size"))
	results, err = c.Exec(protocol.Show{Name: "data_directory_mode"})
	require.NoError(t, err)
	require.Equal(t, "0700", value(t, results[0], "data_directory_mode"))
	_, err = c.Exec(protocol.TimelineHistory{Timeline: 1})
	requireError(t, protocol.Error{LocalizedSeverity: "ERROR", Severity: "ERROR", Code: "58P01",
		Message: `could not open file "pg_wal/00000001.history": No such file or directory`,
		File:    "walsender.c", Line: 507, Routine: "SendTimeLineHistory"}, err)
	_, err = c.Exec(protocol.SQL{Text: "SELECT 1"})
	require.ErrorContains(t, err, "cannot execute SQL commands in WAL sender for physical replication")
	_, err = c.Exec(protocol.SQL{Text: "BASE_BACKUP BOGUS"})
	require.ErrorContains(t, err, "SQLSTATE 42601")
	results, err = c.Exec(protocol.CreateReplicationSlot{Slot: "probe", ReserveWAL: true})
	require.NoError(t, err)
	require.Equal(t, "probe", value(t, results[0], "slot_name"))
	results, err = c.Exec(protocol.DropReplicationSlot{Slot: "probe"})
	require.NoError(t, err)
	require.Len(t, results, 2)
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 0x7F_00000000, Timeline: 1}))
	_, err = c.NextCopy()
	require.ErrorContains(t, err, "ahead of the WAL flush position")
}

func TestGreenplumBackups(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		want    []protocol.Tablespace
		end     xlog.LSN
		notices int
	}{
		{"basebackup.server.bin", []protocol.Tablespace{{Size: -1}}, 0x8000138, 0},
		{"basebackup_end.server.bin", []protocol.Tablespace{{OID: 16396, Location: "ts_one", Size: 20433}, {Size: 125918}},
			0x24000100, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := replay(t, tt.name, func(s *protocoltest.Session, n int) { s.CopyData([]byte(fmt.Sprint("archive ", n))) })
			notices := 0
			c.OnNotice(func(*protocol.Error) { notices++ })
			_, err := c.Exec(protocol.IdentifySystem{})
			require.NoError(t, err)
			stream, err := c.BaseBackup(protocol.BaseBackup{Label: "x", FastCheckpoint: true, NoWait: true,
				Exclude: []string{"postgresql.conf"}})
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(stream.Tablespaces[0].Location, tt.want[0].Location))
			stream.Tablespaces[0].Location = tt.want[0].Location
			require.Equal(t, tt.want, stream.Tablespaces)
			got, err := events(stream)
			require.NoError(t, err)
			for i := range tt.want {
				require.Contains(t, got, fmt.Sprint("archive ", i))
			}
			require.NotContains(t, got, "manifest")
			end, err := stream.End()
			require.NoError(t, err)
			require.Equal(t, protocol.Position{LSN: tt.end, Timeline: 1}, end)
			require.Equal(t, tt.notices, notices)
		})
	}
}

// The stream had twelve messages, all but the last of 512 KiB.
func TestGreenplumStream(t *testing.T) {
	t.Parallel()
	const end = xlog.LSN(0x205AE768)
	c := replay(t, "stream.server.bin", func(s *protocoltest.Session, _ int) {
		for lsn := xlog.LSN(0x20000000); lsn < end; lsn += 512 << 10 {
			s.XLogData(lsn, make([]byte, min(512<<10, end.Sub(lsn))))
		}
	})
	_, err := c.Exec(protocol.IdentifySystem{})
	require.NoError(t, err)
	require.NoError(t, c.StartCopyBoth(protocol.StartReplication{Start: 0x20000000, Timeline: 1}))
	lsn, messages := xlog.LSN(0x20000000), 0
	for lsn < end {
		payload, err := c.NextCopy()
		require.NoError(t, err)
		var data protocol.XLogData
		require.NoError(t, data.Decode(payload))
		require.Equal(t, lsn, data.Start)
		lsn = lsn.Add(len(data.Data))
		messages++
	}
	require.Equal(t, end, lsn)
	require.Equal(t, 12, messages)
	status := protocol.StandbyStatus{Write: end, Flush: end}
	require.NoError(t, c.SendCopyData(status.Append(nil)))
	require.NoError(t, c.SendCopyDone())
	next, err := c.EndCopyBoth()
	require.NoError(t, err)
	require.Nil(t, next)
}

// Every command that real tools sent to the recorded coordinators can be read, and printed so that it reads the same.
func TestGreenplumCommandTexts(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(greenplumData(t))
	logs, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.log"))
	require.NoError(t, err)
	received := regexp.MustCompile(`received replication command: (.*)`)
	texts := map[string]bool{}
	for _, name := range logs {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range received.FindAllStringSubmatch(string(b), -1) {
			texts[strings.TrimRight(m[1], "\r")] = true
		}
	}
	s := protocol.Server{Version: 120000, Flavour: xlog.Greenplum}
	for text := range texts {
		cmd, err := s.Parse(text)
		require.NoError(t, err, text)
		require.NotEqual(t, protocol.SQL{Text: text}, cmd)
		printed, err := cmd.Format(s)
		require.NoError(t, err)
		again, err := s.Parse(printed)
		require.NoError(t, err)
		require.Equal(t, cmd, again)
	}
	t.Logf("%d different commands in %d logs", len(texts), len(logs))
	require.NotEmpty(t, texts)
}
