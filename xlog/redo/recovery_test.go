// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

func TestInvalidPages(t *testing.T) {
	t.Parallel()
	rel := func(n uint64) xlog.RelFileLocator {
		return xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: n}
	}
	other := xlog.RelFileLocator{Tablespace: 1663, Database: 6, RelNumber: 1}
	var p invalidPages
	require.False(t, p.any())
	for _, block := range []uint32{1, 7, 7, 9} {
		require.NoError(t, p.log(rel(1), xlog.MainFork, block, block == 9))
	}
	require.NoError(t, p.log(rel(1), xlog.FSMFork, 7, false))
	require.NoError(t, p.log(rel(2), xlog.MainFork, 0, false))
	require.NoError(t, p.log(other, xlog.MainFork, 0, true))
	require.Len(t, p.pages, 6)
	require.ErrorIs(t, p.check(), ErrInvalidPages)
	require.NoError(t, p.log(rel(3), xlog.MainFork, 0, false), "not yet consistent")

	p.forget(rel(1), xlog.MainFork, 7)
	require.Len(t, p.pages, 5)
	p.forgetRelation(rel(1))
	require.Len(t, p.pages, 3)
	p.forgetDatabase(5)
	require.Len(t, p.pages, 1)
	require.ErrorContains(t, p.check(), "page 0 of relation 1663/6/1, fork main, is uninitialized")
	p.forgetDatabase(6)
	require.NoError(t, p.check())
	require.ErrorIs(t, p.log(rel(1), xlog.MainFork, 1, false), ErrInvalidPages)
}

func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		require.NoError(t, (*Gate)(nil).pass(t.Context()))
		require.NoError(t, g.pass(t.Context()))
		g.Resume()
		g.Pause()
		g.Pause()
		require.True(t, g.Paused())
		passed := make(chan error)
		go func() { passed <- g.pass(t.Context()) }()
		synctest.Wait()
		select {
		case <-passed:
			t.Fatal("went through a closed gate")
		default:
		}
		g.Resume()
		require.NoError(t, <-passed)

		g.Pause()
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		require.ErrorIs(t, g.pass(ctx), stop)
	})
}

// TestDelay: a commit waits until it is old enough, an abort does not, nor anything before consistency.
func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Redo{}
		p := replay{r: r, ctx: t.Context(), cfg: ReplayConfig{MinApplyDelay: time.Minute}}
		rec := &xlog.Record{RecordHeader: xlog.RecordHeader{Rmgr: rmgr.Transaction}}
		committed := time.Now().Add(-20 * time.Second)
		end := rmgr.XactEnd{Time: xlog.Micros(committed)}
		waited := func(payload rmgr.Payload) time.Duration {
			began := time.Now()
			require.NoError(t, p.delay(rec, payload))
			return time.Since(began)
		}
		require.Zero(t, waited(&rmgr.XactCommit{XactEnd: end}))
		r.consistency.at = 1
		require.Zero(t, waited(&rmgr.XactAbort{XactEnd: end}))
		require.Equal(t, 40*time.Second, waited(&rmgr.XactCommit{XactEnd: end}))
		require.Zero(t, waited(&rmgr.XactCommit{XactEnd: end}))
	})
}

func TestTargetValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, new(Target).validate())
	require.Empty(t, new(Target).String())
	for _, target := range []Target{
		{LSN: 1}, {Time: time.Unix(1, 0)}, {XID: 5, Exclusive: true}, {Name: "a"}, {Immediate: true},
	} {
		require.NoError(t, target.validate())
		require.NotEmpty(t, target.String())
	}
	two := Target{LSN: 1, XID: 2}
	require.Error(t, two.validate())
}

// TestHistories finds the newest timeline among history files, in the first of two directories that has one.
func TestHistories(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	wal := NewDirWAL(first, xlog.DefaultSegmentSize, second)
	r := &Redo{recovery: recovery{wal: wal}}
	newest := func(tli xlog.TimelineID) xlog.History {
		h, err := r.newestHistory(tli)
		require.NoError(t, err)
		return h
	}
	require.Equal(t, xlog.History{Timeline: 1}, newest(1))
	write := func(dir string, tli xlog.TimelineID, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, tli.HistoryName()), []byte(content), 0o600))
	}
	write(second, 2, "1\t0/3000000\tno recovery target specified\n")
	require.Equal(t, xlog.TimelineID(2), newest(1).Timeline)
	write(first, 3, "1\t0/3000000\tx\n2\t0/5000000\ty\n")
	require.Equal(t, xlog.TimelineID(3), newest(1).Timeline)
	require.Equal(t, xlog.TimelineID(3), newest(3).Timeline)
	_, err := wal.ReadHistory(4)
	require.ErrorIs(t, err, fs.ErrNotExist)

	r.history = xlog.History{Timeline: 1}
	r.end = 0x3000001
	followed, err := r.Rescan()
	require.NoError(t, err)
	require.False(t, followed, "replay is beyond the switch")
	r.end = 0x3000000
	followed, err = r.Rescan()
	require.NoError(t, err)
	require.True(t, followed)
	require.Equal(t, xlog.TimelineID(3), r.History().Timeline)
	followed, err = r.Rescan()
	require.NoError(t, err)
	require.False(t, followed)

	write(first, 4, "5\t0/3000000\tx\n")
	_, err = r.Rescan()
	require.ErrorIs(t, err, xlog.ErrHistory)
}

func TestSwitchTimeline(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		payload    rmgr.Payload
		tli, want  xlog.TimelineID
		minimum    xlog.LSN
		minimumTLI xlog.TimelineID
	}{
		{"online", &rmgr.CheckPoint{ThisTimeLineID: 2, PrevTimeLineID: 1}, 1, 1, 0, 0},
		{"same", &rmgr.CheckPoint{Shutdown: true, ThisTimeLineID: 1, PrevTimeLineID: 1}, 1, 1, 0, 0},
		{"shutdown", &rmgr.CheckPoint{Shutdown: true, ThisTimeLineID: 2, PrevTimeLineID: 1}, 1, 2, 0, 0},
		{"end of recovery", &rmgr.EndOfRecovery{ThisTimeLineID: 3, PrevTimeLineID: 2}, 2, 3, 0, 0},
		{"other predecessor", &rmgr.EndOfRecovery{ThisTimeLineID: 3, PrevTimeLineID: 1}, 2, 0, 0, 0},
		{"backwards", &rmgr.EndOfRecovery{ThisTimeLineID: 1, PrevTimeLineID: 2}, 2, 0, 0, 0},
		{"not in the history", &rmgr.EndOfRecovery{ThisTimeLineID: 9, PrevTimeLineID: 3}, 3, 0, 0, 0},
		{"before the minimum", &rmgr.EndOfRecovery{ThisTimeLineID: 3, PrevTimeLineID: 2}, 2, 0, 200, 2},
		{"at the minimum", &rmgr.EndOfRecovery{ThisTimeLineID: 3, PrevTimeLineID: 2}, 2, 3, 100, 2},
		{"minimum on the new one", &rmgr.EndOfRecovery{ThisTimeLineID: 3, PrevTimeLineID: 2}, 2, 3, 200, 3},
	} {
		r := &Redo{lsn: 100}
		r.tli = tt.tli
		r.history = xlog.History{Timeline: 3, Ancestors: []xlog.Switch{{Timeline: 1, LSN: 50}, {Timeline: 2, LSN: 90}}}
		r.consistency.minRecovery, r.consistency.minRecoveryTLI = tt.minimum, tt.minimumTLI
		err := r.switchTimeline(tt.payload)
		if tt.want == 0 {
			require.ErrorIs(t, err, ErrTimeline, tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, r.tli, tt.name)
	}
}

// TestBeginControl looks at the control file as recovery begins it.
func TestBeginControl(t *testing.T) {
	t.Parallel()
	begin := func(c pgdata.ControlFile, label *pgdata.BackupLabel) (*Redo, error) {
		r := &Redo{recovery: recovery{control: c}}
		r.archive = label != nil || r.knowsWhereConsistent()
		return r, r.beginControl(&beginning{
			label: label, location: 0x500, checkpoint: &rmgr.CheckPoint{Redo: 0x400, ThisTimeLineID: 2, NextXID: 9},
		})
	}
	streamed := &pgdata.BackupLabel{Method: "streamed", From: "primary"}

	r, err := begin(pgdata.ControlFile{State: pgdata.DBInProduction}, streamed)
	require.NoError(t, err)
	require.Equal(t, pgdata.ControlFile{
		State: pgdata.DBInArchiveRecovery, CheckPoint: 0x500,
		CheckPointCopy:   pgdata.CheckPoint{Redo: 0x400, ThisTimeLineID: 2, NextXid: 9},
		MinRecoveryPoint: 0x400, MinRecoveryPointTLI: 2, BackupStartPoint: 0x400, BackupEndRequired: true,
	}, r.control)

	standby := &pgdata.BackupLabel{Method: "streamed", From: "standby"}
	c := pgdata.ControlFile{State: pgdata.DBInArchiveRecovery, MinRecoveryPoint: 0x700, MinRecoveryPointTLI: 2}
	r, err = begin(c, standby)
	require.NoError(t, err)
	require.Equal(t, xlog.LSN(0x700), r.control.BackupEndPoint)
	_, err = begin(pgdata.ControlFile{State: pgdata.DBInProduction}, standby)
	require.ErrorIs(t, err, ErrBegin)

	r, err = begin(pgdata.ControlFile{State: pgdata.DBInProduction}, nil)
	require.NoError(t, err)
	require.Equal(t, pgdata.DBInCrashRecovery, r.control.State)
	require.Zero(t, r.control.MinRecoveryPoint)
	r, err = begin(pgdata.ControlFile{State: pgdata.DBShutdowned}, nil)
	require.NoError(t, err)
	require.Equal(t, pgdata.DBInArchiveRecovery, r.control.State)
}
