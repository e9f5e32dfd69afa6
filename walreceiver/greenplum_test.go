// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// greenplumData is the folder of recorded Greenplum coordinators.
func greenplumData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WALMIRROR_GREENPLUM_DATA")
	if dir == "" {
		t.Skip("WALMIRROR_GREENPLUM_DATA is not set: no recorded Greenplum to compare with")
	}
	return filepath.Join(dir, "gp7dev-matrixdb5")
}

func unzstd(t *testing.T, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(name)
	require.NoError(t, err)
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	require.NoError(t, err)
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	require.NoError(t, err)
	return b
}

// TestGreenplum plays a coordinator that fails after CopyBothResponse, then streams the recorded log over the end of a
// segment in messages of 512 KiB, and is promoted. What we have then is what Greenplum's own standbys had.
func TestGreenplum(t *testing.T) {
	data := greenplumData(t)
	const size = xlog.GreenplumSegmentSize
	first := unzstd(t, filepath.Join(data, "wal", "000000010000000000000009.zst"))
	second := unzstd(t, filepath.Join(data, "wal", "00000001000000000000000A.zst"))
	promoted := unzstd(t, filepath.Join(data, "tl2", "00000002000000000000000A.zst"))
	history, err := os.ReadFile(filepath.Join(data, "tl2", "00000002.history"))
	require.NoError(t, err)
	hist, err := xlog.ParseHistory(2, history)
	require.NoError(t, err)
	start, at, end := size.Start(9), hist.Ancestors[0].LSN, xlog.LSN(0x291A3F88)
	log1 := append(first, second[:size.Offset(at)]...)
	log2 := promoted[:size.Offset(end)]

	send := func(s *protocoltest.Session, lsn xlog.LSN, log []byte) {
		for n := 480 << 10; len(log) > 0; n = 512 << 10 {
			n = min(n, len(log))
			s.XLogData(lsn, log[:n])
			lsn, log = lsn.Add(n), log[n:]
		}
	}
	var streams atomic.Int32
	f := &scripted{gp: "7.0.0 build dev", pos: at, system: 7711133882651012132}
	f.stream = func(s *protocoltest.Session, cmd protocol.StartReplication) {
		s.CopyBoth()
		switch streams.Add(1) {
		case 1:
			s.Error(protocol.Error{Severity: "ERROR", Code: "58P01",
				Message: "requested WAL segment 000000010000000000000009 has already been removed"})
			s.Backend.SetPhase(protocol.PhaseCommand)
			s.Ready()
		case 2:
			send(s, start, log1)
			statusWith(s, func(st protocol.StandbyStatus) bool { return st.Flush == at })
			f.history, f.pos = hist, end
			endOfTimeline(s, 2, at)
		case 3:
			if cmd.Start != at {
				t.Errorf("timeline 2 from %s: up to %s it is the log of timeline 1", cmd.Start, at)
			}
			send(s, cmd.Start, log2[size.Offset(cmd.Start):])
			statusWith(s, func(protocol.StandbyStatus) bool { return false })
			endOfStream(s)
		}
	}
	path := pgserver.TempDir(t)
	dir, err := waldir.Open(waldir.Config{Path: path, SegmentSize: size, Partial: true})
	require.NoError(t, err)
	defer dir.Close()
	r := receive(t, walreceiver.Config{
		ConnString: f.serve(t), Sink: dir, Start: &walreceiver.Position{Timeline: 1, LSN: start},
		Verify: &walreceiver.VerifyConfig{Dialect: xlog.Greenplum7Dev},
	})
	st := r.until("the end", func(s walreceiver.Status) bool { return s.FlushedLSN == end })
	require.ErrorIs(t, st.LastError, walreceiver.ErrWALRemoved)
	require.Equal(t, xlog.TimelineID(2), st.ReceivedTimeline)
	require.Contains(t, st.ConnInfo, "application_name=gp_walreceiver")
	require.Empty(t, st.Slot)
	r.stop()

	got := segments(t, path)
	for name, n := range map[string]int{
		"00000001000000000000000A": int(size.Offset(at)), "00000002000000000000000A": int(size.Offset(end)),
	} {
		b, err := os.ReadFile(filepath.Join(path, name+xlog.PartialSuffix))
		require.NoError(t, err)
		got[name] = b[:n]
	}
	require.Len(t, got, 4)
	sameFiles(t, got, map[string][]byte{
		"000000010000000000000009": first[:size], "00000001000000000000000A": log1[size:],
		"00000002000000000000000A": log2, "00000002.history": history,
	})
}
