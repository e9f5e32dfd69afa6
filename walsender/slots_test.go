// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// serveSlots is a server whose slots are in a directory.
func serveSlots(t *testing.T, source Source, keep Retention) *Server {
	t.Helper()
	slots, err := NewSlots(SlotsConfig{Dir: filepath.Join(t.TempDir(), "slots")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, slots.Close()) })
	return serve(t, Config{Source: source, Slots: slots, Retention: keep})
}

func queryError(t *testing.T, conn *pgconn.PgConn, text string) *pgconn.PgError {
	t.Helper()
	_, err := conn.Exec(t.Context(), text).ReadAll()
	var e *pgconn.PgError
	require.ErrorAs(t, err, &e, text)
	return e
}

func TestSlotCommands(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(3 << 20)
	source.Update(func(p *Position) { p.Redo = start.Add(100) })
	s := serveSlots(t, source, Retention{})
	conn := connect(t, s, "replication=true")
	r := query(t, conn, "CREATE_REPLICATION_SLOT a PHYSICAL")
	require.Equal(t, [][][]byte{{[]byte("a"), []byte("0/0"), nil, nil}}, r.Rows)
	query(t, conn, "CREATE_REPLICATION_SLOT b TEMPORARY PHYSICAL (RESERVE_WAL)")
	require.Equal(t, [][][]byte{{[]byte("physical"), nil, nil}}, query(t, conn, "READ_REPLICATION_SLOT a").Rows)
	require.Equal(t, [][][]byte{{[]byte("physical"), []byte("0/700064"), []byte("1")}},
		query(t, conn, "READ_REPLICATION_SLOT b").Rows)
	require.Equal(t, [][][]byte{{nil, nil, nil}}, query(t, conn, "READ_REPLICATION_SLOT c").Rows)
	stats := s.SlotStats()
	require.Len(t, stats, 2)
	require.Equal(t, WALNone, stats[0].WALStatus)
	require.Equal(t, WALReserved, stats[1].WALStatus)
	require.True(t, stats[1].Temporary)
	query(t, conn, "DROP_REPLICATION_SLOT a")
	require.NoError(t, conn.Close(t.Context()))
	waitFor(t, "the temporary slot goes with its session", func() bool { return len(s.SlotStats()) == 0 })
}

func TestSlotErrors(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(1 << 20)
	s := serveSlots(t, source, Retention{})
	conn := connect(t, s, "replication=true")
	query(t, conn, "CREATE_REPLICATION_SLOT a PHYSICAL RESERVE_WAL")
	_, _, err := replicate(t, s, protocol.StartReplication{Slot: "a", Start: start})
	require.NoError(t, err)
	waitFor(t, "the slot is active", func() bool { return s.SlotStats()[0].Active })
	for text, want := range map[string]string{
		"CREATE_REPLICATION_SLOT a PHYSICAL":         codeDuplicateObject,
		`CREATE_REPLICATION_SLOT "A" PHYSICAL`:       codeInvalidName,
		`CREATE_REPLICATION_SLOT "../b" PHYSICAL`:    codeInvalidName,
		"CREATE_REPLICATION_SLOT l LOGICAL pgoutput": codeNotInPrerequisiteState,
		"DROP_REPLICATION_SLOT a":                    codeObjectInUse,
		"DROP_REPLICATION_SLOT none":                 codeUndefinedObject,
		"START_REPLICATION SLOT a 0/700000":          codeObjectInUse,
	} {
		require.Equal(t, want, queryError(t, conn, text).Code, text)
	}
	for i := range defaultMaxSlots - 1 {
		query(t, conn, "CREATE_REPLICATION_SLOT s"+string(rune('0'+i))+" PHYSICAL")
	}
	require.Equal(t, codeConfigurationLimit, queryError(t, conn, "CREATE_REPLICATION_SLOT z PHYSICAL").Code)
}

// DROP ... WAIT waits until the client that has the slot goes.
func TestSlotDropWaits(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(1 << 20)
	s := serveSlots(t, source, Retention{})
	conn := connect(t, s, "replication=true")
	query(t, conn, "CREATE_REPLICATION_SLOT a PHYSICAL")
	_, holder, err := replicate(t, s, protocol.StartReplication{Slot: "a", Start: start})
	require.NoError(t, err)
	waitFor(t, "the slot is active", func() bool { return s.SlotStats()[0].Active })
	dropped := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "DROP_REPLICATION_SLOT a WAIT").ReadAll()
		dropped <- err
	}()
	require.NoError(t, holder.Close())
	require.NoError(t, <-dropped)
	require.Empty(t, s.SlotStats())
}

func TestRetention(t *testing.T) {
	t.Parallel()
	source, _, _ := testLog(8 << 20) // segments 7 to 14
	s := serveSlots(t, source, Retention{SlotMaxSize: 5 << 20, KeepSize: 2 << 20})
	segment := func(n int) xlog.LSN { return testSegment.Start(xlog.SegmentNumber(n)) }
	keep, err := s.Retain(source.Position().Flush)
	require.NoError(t, err)
	require.Equal(t, segment(13), keep, "wal_keep_size")
	keep, err = s.Retain(segment(9))
	require.NoError(t, err)
	require.Equal(t, segment(9), keep, "what the owner needs")

	conn := connect(t, s, "replication=true")
	query(t, conn, "CREATE_REPLICATION_SLOT a PHYSICAL")
	c, _, err := replicate(t, s, protocol.StartReplication{Slot: "a", Start: segment(13)})
	require.NoError(t, err)
	next(t, c, protocol.TagXLogData)
	status(t, c, segment(13), true)
	next(t, c, protocol.TagKeepalive)
	source.Append(noise(2 << 20))
	keep, err = s.Retain(source.Position().Flush)
	require.NoError(t, err)
	require.Equal(t, segment(12), keep, "what the slot needs, and one more")
	st := s.SlotStats()[0]
	require.Equal(t, WALReserved, st.WALStatus)
	require.EqualValues(t, 2<<20, st.SafeWALSize)
	require.Equal(t, segment(13), st.RestartLSN)

	source.Append(noise(2 << 20)) // the end is in segment 19, one too far
	require.Equal(t, WALUnreserved, s.SlotStats()[0].WALStatus)
	keep, err = s.Retain(source.Position().Flush)
	require.NoError(t, err)
	require.Equal(t, segment(17), keep)
	waitFor(t, "the session ends", func() bool { return !s.SlotStats()[0].Active })
	require.Equal(t, WALLost, s.SlotStats()[0].WALStatus)
	e := queryError(t, conn, "START_REPLICATION SLOT a "+segment(17).String())
	require.Equal(t, "can no longer access replication slot \"a\"", e.Message)
}

// moveSlot makes a slot and moves it, and says which positions may be found after a crash.
func moveSlot(fsys vfs.FS, saved, saving *xlog.LSN) error {
	slots, err := NewSlots(SlotsConfig{Dir: "d/slots", FS: fsys})
	if err != nil {
		return err
	}
	held, err := slots.create("a", false, &session{})
	if err != nil {
		return err
	}
	for lsn := range xlog.LSN(4) {
		held.confirm(100 + lsn)
		*saving = 100 + lsn
		if err := slots.Save(); err != nil {
			return err
		}
		*saved = *saving
	}
	return held.release()
}

// What a power cut leaves of a slot, after every single operation, is what was saved last or what was being saved.
func TestSlotsSurviveCrashes(t *testing.T) {
	t.Parallel()
	compared := 0
	for at := 0; ; at++ {
		fsys := faultfs.New()
		require.NoError(t, fsys.Mkdir("d", 0o700))
		require.NoError(t, fsys.SyncDir("."))
		fsys.CrashAfter(at)
		var saved, saving xlog.LSN
		ended := moveSlot(fsys, &saved, &saving)
		for seed := range uint64(8) {
			slots, err := NewSlots(SlotsConfig{Dir: "d/slots", FS: fsys.Crash(seed)})
			require.NoError(t, err, "crash after %d operations, seed %d", at, seed)
			st, _ := slots.get("a")
			require.Contains(t, []xlog.LSN{saved, saving}, st.restart, "crash after %d operations, seed %d", at, seed)
			compared++
		}
		if ended == nil {
			break
		}
	}
	require.Greater(t, compared, 100)
	t.Logf("%d crashes", compared)
}

// A slot that is not understood must not be forgotten: the log that somebody needs would go.
func TestSlotFileDamaged(t *testing.T) {
	t.Parallel()
	good := slotState{name: "a", restart: 0x3000000, xmin: 1<<32 | 735, invalidated: false}
	text := good.format()
	back, err := parseSlot(text)
	require.NoError(t, err)
	require.Equal(t, good, back)
	for n := range text {
		_, err := parseSlot(text[:n])
		require.ErrorIs(t, err, ErrSlotFile, "cut at %d", n)
		bad := append([]byte(nil), text...)
		bad[n] ^= 1
		_, err = parseSlot(bad)
		require.ErrorIs(t, err, ErrSlotFile, "changed at %d", n)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.slot"), text[:40], 0o600))
	_, err = NewSlots(SlotsConfig{Dir: dir})
	require.ErrorIs(t, err, ErrSlotFile)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.slot"), text, 0o600))
	slots, err := NewSlots(SlotsConfig{Dir: dir})
	require.NoError(t, err)
	_, err = NewSlots(SlotsConfig{Dir: dir})
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, slots.Close())
}

func FuzzParseSlot(f *testing.F) {
	f.Add(slotState{name: "a", restart: 1, xmin: 2, catalogXmin: 3, invalidated: true}.format())
	f.Fuzz(func(t *testing.T, text []byte) {
		if st, err := parseSlot(text); err == nil {
			require.Equal(t, text, st.format())
		}
	})
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(1000)
	source.Update(func(p *Position) { p.NextXID = 1<<32 | 1000 })
	s := serveSlots(t, source, Retention{})
	query(t, connect(t, s, "replication=true"), "CREATE_REPLICATION_SLOT a PHYSICAL")
	tell := func(c *protocol.Client, m protocol.HotStandbyFeedback) {
		require.NoError(t, c.SendCopyData(m.Append(nil)))
		status(t, c, start, true)
		next(t, c, protocol.TagKeepalive)
	}
	plain, _, err := replicate(t, s, protocol.StartReplication{Start: start})
	require.NoError(t, err)
	slotted, _, err := replicate(t, s, protocol.StartReplication{Start: start, Slot: "a"})
	require.NoError(t, err)
	tell(plain, protocol.HotStandbyFeedback{Xmin: 900, XminEpoch: 1})
	require.Equal(t, protocol.HotStandbyFeedback{Xmin: 900, XminEpoch: 1}, s.Feedback())
	tell(slotted, protocol.HotStandbyFeedback{Xmin: 4000000000, CatalogXmin: 950, CatalogXminEpoch: 1})
	require.Equal(t, protocol.HotStandbyFeedback{Xmin: 4000000000, CatalogXmin: 950, CatalogXminEpoch: 1}, s.Feedback())
	require.EqualValues(t, 4000000000, s.SlotStats()[0].Xmin)
	tell(slotted, protocol.HotStandbyFeedback{Xmin: 1001, XminEpoch: 1}) // not yet given out
	require.EqualValues(t, 4000000000, s.SlotStats()[0].Xmin)
	tell(slotted, protocol.HotStandbyFeedback{}) // turned off
	require.Equal(t, protocol.HotStandbyFeedback{Xmin: 900, XminEpoch: 1}, s.Feedback())
	tell(plain, protocol.HotStandbyFeedback{})
	require.Zero(t, s.Feedback())
}
