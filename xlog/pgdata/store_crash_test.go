// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/vfs/faultfs"
)

// logged is a record of a little log. An image sets all of a page, a change a byte.
type logged struct {
	kind loggedKind
	key  modelFork
	n    uint32
	mark byte
	lsn  xlog.LSN
}

type loggedKind uint8

const (
	logCreate loggedKind = iota
	logDrop
	logTruncate
	logExtend
	logImage
	logChange
	logFlush
)

// redo applies a record to a store.
func (l logged) redo(s *Store) error {
	s.Begin()
	switch l.kind {
	case logCreate:
		return s.Create(l.key.rel, l.key.fork)
	case logDrop:
		return s.Drop(l.key.rel)
	case logTruncate:
		return s.Truncate(l.key.rel, l.key.fork, l.n)
	case logExtend:
		return s.Extend(l.key.rel, l.key.fork, l.n)
	case logImage:
		b, err := s.Zero(l.key.rel, l.key.fork, l.n)
		if err == nil {
			fill(b, l.lsn, l.mark)
		}
		return err
	case logChange:
		b, err := s.Find(l.key.rel, l.key.fork, l.n)
		if err == nil && b != nil && !b.Page.IsNew() && b.Page.LSN() < l.lsn {
			l.change(b.Page)
			b.MarkDirty()
		}
		return err
	}
	return s.Flush()
}

func (l logged) change(page bufpage.Page) {
	page.SetLSN(l.lsn)
	page[400+int(l.mark)] = l.mark
}

// model applies a record to a model.
func (l logged) model(m model) {
	switch l.kind {
	case logCreate:
		m.create(l.key)
	case logDrop:
		for f := range xlog.InitFork + 1 {
			delete(m, modelFork{l.key.rel, f})
		}
	case logTruncate:
		if p := m[l.key]; l.n < uint32(len(p)) {
			m[l.key] = p[:l.n]
		}
	case logExtend:
		m.extend(l.key, l.n)
	case logChange:
		page := bytes.Clone(m[l.key][l.n])
		l.change(page)
		m[l.key][l.n] = page
	case logImage:
		m.extend(l.key, l.n+1)
		page := make(bufpage.Page, testBlockSize)
		paint(page, l.lsn, l.mark)
		m[l.key][l.n] = page
	}
}

// writeLog makes a log, with a flush after so many records again and again, and what there is at its end. With images, the
// first change of a page after each flush is one.
func writeLog(rnd *rand.Rand, records, flush int, images bool) ([]logged, model) {
	var log []logged
	m := model{}
	fresh := make(map[modelFork]map[uint32]bool) // blocks that have their image since the last flush
	for i := range records {
		l := logged{
			key: modelFork{rel(100 + rnd.IntN(8)), xlog.ForkNumber(rnd.IntN(3))}, n: uint32(rnd.IntN(40)),
			mark: byte(rnd.Int()), lsn: xlog.LSN(8 * (i + 1)),
		}
		switch dice := rnd.IntN(100); {
		case i%flush == flush-1:
			l.kind = logFlush
			clear(fresh)
		case dice < 4:
			l.kind = logCreate
		case dice < 5:
			l.kind = logDrop
		case dice < 7:
			l.kind = logTruncate
		case dice < 9:
			l.kind = logExtend
		case l.n < uint32(len(m[l.key])) && (fresh[l.key][l.n] || !images) && !bufpage.Page(m[l.key][l.n]).IsNew():
			l.kind = logChange
		default:
			l.kind = logImage
			if fresh[l.key] == nil {
				fresh[l.key] = make(map[uint32]bool)
			}
			fresh[l.key][l.n] = true
		}
		l.model(m)
		log = append(log, l)
	}
	return append(log, logged{kind: logFlush}), m
}

// replay redoes a log from a record on. It tells where redo would begin after a crash, and up to which LSN it would go
// at least.
func replay(t *testing.T, fsys *faultfs.FS, log []logged, from int) (next int, reach xlog.LSN, err error) {
	at := from
	s, err := NewStore(testDir(t, fsys, "/d", true), StoreConfig{Budget: 1, BeforeWrite: func() error {
		if fsys.Crashed() {
			return faultfs.ErrCrashed
		}
		reach = max(reach, log[at].lsn)
		return nil
	}})
	if err != nil {
		return from, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	next = from
	for ; at < len(log); at++ {
		if log[at].kind == logFlush && at > 0 {
			log[at].lsn = log[at-1].lsn
		}
		if err := log[at].redo(s); err != nil {
			return next, reach, err
		}
		if log[at].kind == logFlush {
			next = at
		}
	}
	return next, reach, nil
}

// TestStoreCrash loses power at many moments of the redo of a log, begins again after the last flush, and compares the
// files with what they should be.
func TestStoreCrash(t *testing.T) {
	t.Parallel()
	log, want := writeLog(rand.New(rand.NewPCG(7, 7)), 1500, 500, true)
	whole := faultfs.New()
	_, _, err := replay(t, whole, log, 0)
	require.NoError(t, err)
	begin := operationsOf(t)
	total := whole.Operations() - begin
	moments := 60
	if testing.Short() {
		moments = 12
	}
	crashes := 0
	for i := range moments {
		fsys := faultfs.New()
		testDir(t, fsys, "/d", true)
		fsys.CrashAfter(total * (i + 1) / (moments + 1))
		next, reach, err := replay(t, fsys, log, 0)
		require.ErrorIs(t, err, faultfs.ErrCrashed)
		crashes++
		for _, seed := range []uint64{0, 1, uint64(i) + 4} {
			found := fsys.Crash(seed)
			checkReach(t, found, reach)
			_, _, err := replay(t, found, log, next)
			require.NoError(t, err)
			(&story{t: t, model: want}).checkFiles(found.Crash(0), "/d", true)
		}
	}
	t.Logf("%d operations, %d crashes, each found in 3 ways", total, crashes)
}

// operationsOf counts what it takes to make the directory.
func operationsOf(t *testing.T) int {
	fsys := faultfs.New()
	testDir(t, fsys, "/d", true)
	return fsys.Operations()
}

// checkReach looks for pages that are newer than redo would get.
func checkReach(t *testing.T, fsys *faultfs.FS, reach xlog.LSN) {
	entries, err := fsys.ReadDir("/d/base/5")
	require.NoError(t, err)
	for _, e := range entries {
		content, err := readPrefix(fsys, "/d/base/5/"+e.Name(), 1<<30)
		require.NoError(t, err)
		for ; len(content) >= testBlockSize; content = content[testBlockSize:] {
			require.LessOrEqual(t, bufpage.LSN(content), reach, e.Name())
		}
	}
}

func TestStoreFailedSyncIsFinal(t *testing.T) {
	t.Parallel()
	fsys := faultfs.New()
	s := newStore(t, testDir(t, fsys, "/d", false), StoreConfig{})
	require.NoError(t, s.Extend(rel(1), xlog.MainFork, 3))
	fsys.Fail(faultfs.Fault{Op: faultfs.Sync, Times: 1})
	require.ErrorIs(t, s.Flush(), syscall.EIO)
	require.ErrorIs(t, s.Flush(), syscall.EIO)
}

func TestStoreFullDisk(t *testing.T) {
	t.Parallel()
	fsys := faultfs.New()
	s := newStore(t, testDir(t, fsys, "/d", false), StoreConfig{})
	b, err := s.Zero(rel(1), xlog.MainFork, 0)
	require.NoError(t, err)
	fill(b, 8, 1)
	fsys.SetSpace(10)
	require.ErrorIs(t, s.Flush(), syscall.ENOSPC)
	fsys.Heal()
	require.NoError(t, s.Flush())
	(&story{t: t, model: model{{rel(1), xlog.MainFork}: {b.Page}}}).checkFiles(fsys.Crash(0), "/d", false)
}
