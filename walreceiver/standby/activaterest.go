// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// promote has the Standby that runs on the directory take over, or does it here.
func (a *activator) promote(ctx context.Context) error {
	p, ran, err := orderActivation(ctx, a.data, a.cfg.BinDir != "")
	if err == nil && !ran {
		p, err = a.promoteAtRest(ctx)
	}
	if err != nil {
		return err
	}
	a.result.Promotion = p
	if a.result.Serving, err = runner(a.data.Path); err != nil {
		return err
	}
	return giveToOwner(a.data)
}

// promoteAtRest replays what there is and ends recovery.
func (a *activator) promoteAtRest(ctx context.Context) (p redo.Promotion, err error) {
	lock, err := a.data.Lock(0)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	st, err := loadStatus(a.data.Path)
	if err != nil {
		st = Status{} // it only helps
	}
	received, err := a.takeLog(ctx)
	if err != nil {
		return p, err
	}
	if p, err = a.replayAndPromote(ctx, st.ServerVersionNum, max(received, st.FlushedLSN)); err != nil {
		return p, err
	}
	left, err := keepSlotsAtRest(a.data)
	if len(left) > 0 {
		a.cfg.OnStep(SlotsLeft{Names: left}.String())
	}
	return p, errors.Join(err, a.saveActivation(st, p))
}

// takeLog makes the log in pg_wal durable, whoever wrote it, and says up to where it is known to be whole.
func (a *activator) takeLog(ctx context.Context) (received xlog.LSN, err error) {
	if err := takePartial(vfs.OS, a.data); err != nil {
		return 0, err
	}
	dir, err := waldir.Open(waldir.Config{Path: a.data.WALPath(), SegmentSize: a.data.SegmentSize})
	if err != nil {
		return 0, err
	}
	_, received, _ = dir.Resume()
	if err := dir.Close(); err != nil {
		return 0, err
	}
	if err := checkLog(a.data); err != nil && !a.cfg.Force {
		return 0, err
	}
	return received, waldir.SyncAll(ctx, vfs.OS, a.data.WALPath())
}

// secureLog is takeLog for a server that will replay.
func (a *activator) secureLog(ctx context.Context) error {
	lock, err := a.data.Lock(0)
	if err != nil {
		return err
	}
	_, err = a.takeLog(ctx)
	return errors.Join(err, lock.Close(), giveToOwner(a.data))
}

func (a *activator) replayAndPromote(ctx context.Context, version int, received xlog.LSN) (redo.Promotion, error) {
	r, err := redo.New(redo.Config{Dir: a.data.Path, ServerVersion: version, CacheBytes: a.cfg.CacheBytes})
	if err != nil {
		return redo.Promotion{}, err
	}
	stop, err := r.Replay(ctx, redo.ReplayConfig{})
	if err == nil && !a.cfg.Force {
		err = lostLog(a.data, stop.End, received)
	}
	if err != nil {
		return redo.Promotion{}, errors.Join(err, r.Close())
	}
	return r.Promote(promoteConfig(r, ""))
}

// promoteConfig says how the recovery of r is ended: of Greenplum, with the change of roles.
func promoteConfig(r *redo.Redo, reason string) redo.PromoteConfig {
	cfg := redo.PromoteConfig{Reason: reason}
	if r.DataDir().Dialect.Flavour() != xlog.PostgreSQL {
		roles := newRoleChange(r)
		cfg.Check, cfg.Change = roles.plan, roles.carryOut
	}
	return cfg
}

// saveActivation writes down how it went, for status.
func (a *activator) saveActivation(st Status, p redo.Promotion) error {
	if st.UpdatedAt.IsZero() {
		var err error
		if st, err = statusAtRest(a.data); err != nil {
			return err
		}
	}
	st.State, st.Running, st.PID, st.Timeline = StateActivated, false, 0, p.NewTimeline
	st.UpdatedAt = time.Now()
	st.Activation = &ActivationStatus{Promotion: p, At: st.UpdatedAt, Took: st.UpdatedAt.Sub(a.began)}
	return saveStatus(a.data.Path, st)
}

// takePartial gives a segment that was copied from an archive before it was complete, NAME.partial, the name under which
// recovery reads it, when no later one is there.
func takePartial(fsys vfs.FS, data *pgdata.DataDir) error {
	entries, err := fsys.ReadDir(data.WALPath())
	if err != nil {
		return err
	}
	var newest xlog.SegmentNumber
	for _, e := range entries {
		if _, n, err := data.SegmentSize.ParseName(e.Name()); err == nil {
			newest = max(newest, n)
		}
	}
	for _, e := range entries {
		base, partial := strings.CutSuffix(e.Name(), xlog.PartialSuffix)
		_, n, err := data.SegmentSize.ParseName(base)
		if partial && err == nil && n == newest+1 {
			return completePartial(fsys, data, filepath.Join(data.WALPath(), base))
		}
	}
	return nil
}

func completePartial(fsys vfs.FS, data *pgdata.DataDir, name string) error {
	f, err := fsys.OpenFile(name+xlog.PartialSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Preallocate(int64(data.SegmentSize)), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(name+xlog.PartialSuffix, name); err != nil {
		return err
	}
	return fsys.SyncDir(data.WALPath())
}
