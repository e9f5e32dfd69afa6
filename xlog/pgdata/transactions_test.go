// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// transactionDirs are the directories that Transactions works in.
var transactionDirs = []string{
	"/d", "/d/pg_xact", "/d/pg_multixact", "/d/pg_multixact/offsets", "/d/pg_multixact/members", "/d/pg_commit_ts",
	"/d/pg_twophase", "/d/pg_logical", "/d/pg_distributedlog",
}

// transactionsDir is an empty data directory.
func transactionsDir(t *testing.T, d *xlog.Dialect) *DataDir {
	fsys := faultfs.New()
	for _, dir := range transactionDirs {
		require.NoError(t, fsys.Mkdir(dir, 0o700))
		require.NoError(t, fsys.SyncDir(dir))
	}
	require.NoError(t, fsys.SyncDir("/"))
	for _, dir := range transactionDirs {
		require.NoError(t, fsys.SyncDir(dir))
	}
	return &DataDir{Path: "/d", Dialect: d, fsys: fsys}
}

func openTransactions(t *testing.T, dir *DataDir, next uint64) *Transactions {
	s, err := OpenTransactions(TransactionsConfig{Dir: dir, NextXID: next})
	require.NoError(t, err)
	return s
}

func fileSize(t *testing.T, dir *DataDir, name string) int64 {
	st, err := dir.fsys.Stat("/d/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return -1
	}
	require.NoError(t, err)
	return st.Size()
}

func TestCommitLog(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	s := openTransactions(t, dir, 3)
	statuses := []XactStatus{XactCommitted, XactAborted, XactSubCommitted, XactInProgress, XactCommitted}
	const perPage = 8192 * 4
	// Every page is needed once, far more than there is room for.
	xid := func(i int) uint32 { return uint32(i)*perPage + uint32(i*i)%perPage }
	for i := range 3 * slruSlots {
		require.NoError(t, s.Commits.ZeroPage(int64(i)))
		require.NoError(t, s.Commits.Set(xid(i), XactAborted))
		require.NoError(t, s.Commits.Set(xid(i), statuses[i%len(statuses)]))
	}
	require.NoError(t, s.Flush(0))
	s = openTransactions(t, dir, 3)
	for i := range 3 * slruSlots {
		status, err := s.Commits.Status(xid(i))
		require.NoError(t, err)
		require.Equal(t, statuses[i%len(statuses)], status, "%d", i)
	}
	require.EqualValues(t, 32*8192, fileSize(t, dir, "pg_xact/0005"))
	require.EqualValues(t, -1, fileSize(t, dir, "pg_xact/0006"))

	// What is in a file that is gone reads as zeros; what is behind the end of a file is an error.
	status, err := s.Commits.Status(1 << 31)
	require.NoError(t, err)
	require.Equal(t, XactInProgress, status)
	require.NoError(t, s.Commits.ZeroPage(6*32))
	require.NoError(t, s.Flush(0))
	_, err = s.Commits.Status((6*32 + 1) * perPage)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Error(t, s.Commits.ZeroPage(-1))
	require.Error(t, s.Commits.ZeroPage(1<<32/perPage))
	require.Error(t, s.Commits.Truncate(1<<40))
}

func TestCommitLogTruncate(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	reached := 0
	s, err := OpenTransactions(TransactionsConfig{
		Dir: dir, NextXID: 3, BeforeWrite: func() error { reached++; return nil },
	})
	require.NoError(t, err)
	const last = 1<<32/(8192*4) - 1
	for _, page := range []int64{last, 0, 31, 32, 64, 70} { // the last is older than page 0: ids wrap around
		require.NoError(t, s.Commits.ZeroPage(page))
	}
	require.NoError(t, s.Flush(0))
	require.Zero(t, reached)
	require.NoError(t, s.Commits.ZeroPage(1))
	require.NoError(t, s.Commits.Truncate(63))
	require.Equal(t, 1, reached)
	require.NoError(t, s.Flush(0))
	for name, size := range map[string]int64{"0000": -1, "0001": 8192, "0002": 7 * 8192, "0FFF": -1} {
		require.Equal(t, size, fileSize(t, dir, "pg_xact/"+name), name)
	}
}

func TestMultiXacts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect *xlog.Dialect
		next    bool
	}{
		{xlog.Postgres13, false}, {xlog.Postgres14, true}, {xlog.Postgres18, true}, {xlog.Greenplum7, false},
		{xlog.Postgres16.WithServerVersion(160011), false}, {xlog.Postgres16.WithServerVersion(160012), true},
	} {
		dir := transactionsDir(t, c.dialect)
		s := openTransactions(t, dir, 3)
		m := &s.MultiXacts
		page := int64(c.dialect.BlockSize())
		perPage := uint32(page / 4)
		offset := func(id uint32) uint32 {
			p, err := m.offsets.page(int64(id / perPage))
			require.NoError(t, err)
			return binary.LittleEndian.Uint32(p.data[id%perPage*4:])
		}
		require.NoError(t, m.ZeroOffsetsPage(0))
		require.NoError(t, m.ZeroMembersPage(0))
		require.NoError(t, m.Create(1, 1, 2))
		require.NoError(t, m.SetMember(1, 700, 4))
		require.NoError(t, m.SetMember(2, 701, 5))
		require.EqualValues(t, 1, offset(1))
		require.Equal(t, c.next, offset(2) == 3)

		// The page of the next multixact is made when it is not there, and not once more by its own record.
		require.NoError(t, m.Create(perPage-1, 4_294_967_295, 1))
		require.Equal(t, c.next, offset(perPage) == 1, "offset 0 is not used")
		require.NoError(t, m.ZeroOffsetsPage(1))
		require.Equal(t, c.next, offset(perPage) == 1)
		require.NoError(t, m.Create(perPage, 1, 1))
		require.NoError(t, m.ZeroOffsetsPage(2))
		require.NoError(t, m.Create(3*perPage-1, 77, 1))
		require.NoError(t, s.Flush(0))
		require.Equal(t, c.next, fileSize(t, dir, "pg_multixact/offsets/0000") == 4*page)

		// A recovery that begins behind the record that made the page.
		require.NoError(t, m.ZeroOffsetsPage(3))
		require.NoError(t, m.Create(3*perPage, 78, 5))
		require.NoError(t, s.Flush(0))
		s = openTransactions(t, dir, 3)
		m = &s.MultiXacts
		require.NoError(t, m.Create(3*perPage-1, 77, 1))
		require.EqualValues(t, 78, offset(3*perPage))
	}
}

// TestMultiXactMembers looks at the places of members, and removes files of them across the end of the numbers.
func TestMultiXactMembers(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	s := openTransactions(t, dir, 3)
	m := &s.MultiXacts
	const perPage, perSegment = 409 * 4, 409 * 4 * 32
	require.NoError(t, m.SetMember(perPage+6, 0x01020304, 5))
	p, err := m.members.page(1)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0}, p.data[20:40])

	last := uint32(1<<32-1) / perSegment
	for _, segment := range []uint32{0, 1, 2, last - 1, last} {
		require.NoError(t, m.SetMember(segment*perSegment, 9, 0))
	}
	require.NoError(t, s.Flush(0))
	require.NoError(t, m.SetMember(5, 9, 0))
	require.NoError(t, m.Truncate(1, last*perSegment, perSegment+1))
	require.NoError(t, s.Flush(0))
	for segment, there := range map[uint32]bool{0: false, 1: true, 2: true, last - 1: true, last: false} {
		require.Equal(t, there, fileSize(t, dir, fmt.Sprintf("pg_multixact/members/%04X", segment)) > 0, segment)
	}
}

func TestCommitTimes(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	s := openTransactions(t, dir, 3)
	c := &s.CommitTimes
	require.False(t, c.Active())
	require.NoError(t, c.Activate(5000))
	require.NoError(t, c.Set(5000, 0x0102030405060708, 0x090A))
	require.NoError(t, s.Flush(0))
	b, err := readPrefix(dir.fsys, "/d/pg_commit_ts/0000", 1<<20)
	require.NoError(t, err)
	require.Len(t, b, 7*8192)
	require.Equal(t, []byte{8, 7, 6, 5, 4, 3, 2, 1, 0x0A, 9}, b[6*8192+(5000-6*819)*10:][:10])

	// Off and on again: what was not written yet is still written, unless its page is made anew.
	require.NoError(t, c.Set(5001, 1, 1))
	require.NoError(t, c.ZeroPage(7))
	require.NoError(t, c.Deactivate())
	require.EqualValues(t, -1, fileSize(t, dir, "pg_commit_ts/0000"))
	require.NoError(t, c.Activate(5002))
	require.NoError(t, s.Flush(0))
	b, err = readPrefix(dir.fsys, "/d/pg_commit_ts/0000", 1<<20)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 8*8192), b)
}

// prepareRecord is what the record of a prepared transaction has, as far as anybody looks here.
func prepareRecord(xid uint32, size int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, twoPhaseMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(size+4))
	b = binary.LittleEndian.AppendUint32(b, xid)
	return append(b, bytes.Repeat([]byte{byte(xid)}, size-len(b))...)
}

func TestPrepared(t *testing.T) {
	t.Parallel()
	for d, names := range map[*xlog.Dialect][2]string{
		xlog.Postgres16: {"0000000A", "FFFFFFF0"}, xlog.Postgres17: {"000000050000000A", "00000004FFFFFFF0"},
	} {
		dir := transactionsDir(t, d)
		const next = 5<<32 | 20
		s := openTransactions(t, dir, next)
		add := func(xid uint32, end xlog.LSN) {
			s.Prepared.Add(FullXID(next, xid), end, prepareRecord(xid, 80))
		}
		add(10, 100)
		add(0xFFFFFFF0, 90)
		add(11, 101)
		add(12, 50)
		require.NoError(t, s.Prepared.Remove(12))
		require.NoError(t, s.Prepared.Remove(13))
		require.NoError(t, s.Flush(100))
		for _, name := range names {
			require.EqualValues(t, 84, fileSize(t, dir, "pg_twophase/"+name))
		}
		entries, err := dir.fsys.ReadDir("/d/pg_twophase")
		require.NoError(t, err)
		require.Len(t, entries, 2)

		// The next recovery finds those two, and comes upon the record of one again.
		s = openTransactions(t, dir, next)
		require.ElementsMatch(t, []uint32{10, 0xFFFFFFF0}, s.Prepared.XIDs())
		add(10, 100)
		require.NoError(t, s.Prepared.Remove(10))
		require.EqualValues(t, -1, fileSize(t, dir, "pg_twophase/"+names[0]))

		// One that is over, and one that is not yet there.
		require.NoError(t, s.Commits.Set(0xFFFFFFF0, XactAborted))
		add(19, 1)
		require.NoError(t, s.Flush(100))
		s = openTransactions(t, dir, 5<<32|19)
		require.Zero(t, s.Prepared.Len())
		entries, err = dir.fsys.ReadDir("/d/pg_twophase")
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

func TestPreparedDamaged(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	good := prepareRecord(10, 80)
	good = binary.LittleEndian.AppendUint32(good, crc(good))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		require.NoError(t, writeSynced(dir.fsys, "/d/pg_twophase/0000000A", os.O_TRUNC, bad, 0o600))
		_, err := OpenTransactions(TransactionsConfig{Dir: dir, NextXID: 20})
		require.ErrorIs(t, err, ErrTwoPhaseCorrupt)
		require.NoError(t, writeSynced(dir.fsys, "/d/pg_twophase/0000000A", os.O_TRUNC, good[:i], 0o600))
		_, err = OpenTransactions(TransactionsConfig{Dir: dir, NextXID: 20})
		require.ErrorIs(t, err, ErrTwoPhaseCorrupt)
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	require.NoError(t, writeSynced(dir.fsys, "/d/"+ConfName, 0, []byte("max_replication_slots = 3\n"), 0o600))
	s := openTransactions(t, dir, 3)
	o := &s.Origins
	for id := range uint16(3) {
		require.NoError(t, o.Advance(id+1, xlog.LSN(id+1)<<32, false))
	}
	require.Error(t, o.Advance(4, 1, false))
	require.NoError(t, o.Advance(0xFFFF, 1, false))
	o.Drop(2)
	o.Drop(7)
	require.NoError(t, o.Advance(9, 5, false))
	require.NoError(t, o.Advance(9, 4, false))
	require.EqualValues(t, 5, o.Remote(9))
	require.NoError(t, o.Advance(9, 4, true))
	require.NoError(t, s.Flush(0))
	b, err := readPrefix(dir.fsys, "/d/"+originsName, 1<<20)
	require.NoError(t, err)
	require.Len(t, b, 4+3*16+4)

	s = openTransactions(t, dir, 3)
	require.Equal(t, o.states, s.Origins.states)
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		require.NoError(t, writeSynced(dir.fsys, "/d/"+originsName, os.O_TRUNC, bad, 0o600))
		_, err := OpenTransactions(TransactionsConfig{Dir: dir, NextXID: 20})
		require.Error(t, err)
	}
}

// TestTransactionsCrash loses power after each operation of a small load. What a Flush made durable is there
// afterwards, and a load that begins anew from there comes to the same end.
func TestTransactionsCrash(t *testing.T) {
	t.Parallel()
	dir := transactionsDir(t, xlog.Postgres15)
	fsys := dir.fsys.(*faultfs.FS)
	begin := fsys.Operations()
	require.NoError(t, transactionsLoad(dir, 0))
	operations := fsys.Operations() - begin
	want := transactionsContent(t, fsys)
	require.Greater(t, operations, 50)
	for n := range operations {
		dir := transactionsDir(t, xlog.Postgres15)
		fsys := dir.fsys.(*faultfs.FS)
		fsys.CrashAfter(n)
		require.Error(t, transactionsLoad(dir, 0), "%d", n)
		after := fsys.Crash(uint64(n))
		dir.fsys = after
		step, err := readPrefix(after, "/d/step", 1)
		if errors.Is(err, fs.ErrNotExist) {
			step, err = []byte{0}, nil
		}
		require.NoError(t, err)
		require.NoError(t, transactionsLoad(dir, int(step[0])), "%d, from step %d", n, step)
		require.Equal(t, want, transactionsContent(t, after), "%d, from step %d", n, step)
	}
	t.Logf("power lost at %d places", operations)
}

// transactionsLoad does all steps from one on, and notes durably where to begin after each Flush.
func transactionsLoad(dir *DataDir, from int) error {
	next := uint64(3 + 1000*from)
	s, err := OpenTransactions(TransactionsConfig{Dir: dir, NextXID: next, CommitTimes: true})
	if err != nil {
		return err
	}
	for step := from; step < 4; step++ {
		if err := transactionsStep(s, step); err != nil {
			return err
		}
		if err := s.Flush(xlog.LSN(step*100 + 50)); err != nil {
			return err
		}
		if err := writeDurably(dir.fsys, "/d/step", []byte{byte(step + 1)}, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func transactionsStep(s *Transactions, step int) error {
	xid := uint32(step*40000 + 100)
	full := uint64(step*1000 + 5)
	s.Prepared.Add(full, xlog.LSN(step*100+10), prepareRecord(uint32(full), 80))
	steps := []func() error{
		func() error { return s.Commits.ZeroPage(int64(step)) },
		func() error { return s.Commits.Set(xid, XactCommitted) },
		func() error { return s.CommitTimes.ZeroPage(int64(step)) },
		func() error { return s.CommitTimes.Set(uint32(step*1000+5), int64(step+1), 0) },
		func() error { return s.MultiXacts.ZeroOffsetsPage(int64(step)) },
		func() error { return s.MultiXacts.ZeroMembersPage(0) },
		func() error { return s.MultiXacts.Create(uint32(step*2048+1), 1, 1) },
		func() error { return s.MultiXacts.SetMember(1, xid, 1) },
		func() error { return s.Origins.Advance(1, xlog.LSN(step+1), false) },
		func() error { return s.Prepared.Remove(uint32(full) - 1000) },
	}
	for _, f := range steps {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// transactionsContent is every file.
func transactionsContent(t *testing.T, fsys vfs.FS) map[string][]byte {
	content := map[string][]byte{}
	for _, dir := range transactionDirs[1:] {
		entries, err := fsys.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if !e.IsDir() {
				name := dir + "/" + e.Name()
				content[name], err = readPrefix(fsys, name, 1<<20)
				require.NoError(t, err)
			}
		}
	}
	delete(content, "/d/"+originsName+".tmp")
	return content
}

func TestFullXID(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 5<<32|3, FullXID(5<<32|7, 3))
	require.EqualValues(t, 4<<32|8, FullXID(5<<32|7, 8))
	require.EqualValues(t, 8, FullXID(7, 8))
}

func BenchmarkCommitLogSet(b *testing.B) {
	fsys := faultfs.New()
	for _, dir := range transactionDirs {
		if err := fsys.Mkdir(dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	s, err := OpenTransactions(TransactionsConfig{Dir: &DataDir{Path: "/d", Dialect: xlog.Postgres15, fsys: fsys}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.Commits.Set(uint32(i)%30000, XactCommitted); err != nil {
			b.Fatal(err)
		}
	}
}
