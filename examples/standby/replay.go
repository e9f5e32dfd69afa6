// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/examples/internal/bytesize"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// replayOptions are the flags of replay.
type replayOptions struct {
	dir, wal string
	cache    bytesize.Size
	target   targetFlags
	changes  changesFile
	json     bool
	quiet    bool
}

// replayResult is what replay prints.
type replayResult struct {
	Start        xlog.LSN        `json:"start_lsn"`
	Replay       xlog.LSN        `json:"replay_lsn"`
	Timeline     xlog.TimelineID `json:"replay_tli"`
	Consistent   xlog.LSN        `json:"consistent_lsn"`
	LastXact     *time.Time      `json:"last_xact_replay_timestamp"`
	RedoSeconds  float64         `json:"redo_seconds"`  // from the first record to the last
	WriteSeconds float64         `json:"write_seconds"` // until everything was on disk
	End          string          `json:"end"`           // why it ended
}

func newReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay -D DIR",
		Short: "Replay the log of a directory, or of an archive, to its end",
		Long: `Replay the log that is in the directory's pg_wal, or in an archive, from where the directory is up to the log's
end or to a target, without a connection. Afterwards the directory is as that of a standby that was shut down.`,
		Example: `  standby replay -D /data/standby
  standby replay -D /data/copy --wal /archive --recovery-target-time '2026-01-31 12:00:00+00'
  standby replay -D /data/copy --wal /archive --changes definitions.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	dirFlag(cmd, &o.dir)
	fl := cmd.Flags()
	fl.StringVar(&o.wal, "wal", "", "directory to take the log from before the directory's pg_wal")
	fl.Var(&o.cache, "cache", "memory for pages, such as 512M")
	o.target.add(fl)
	o.changes.add(fl)
	fl.BoolVar(&o.json, "json", false, "print the result as JSON")
	fl.BoolVarP(&o.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

func (o *replayOptions) run(cmd *cobra.Command) error {
	target, err := o.target.parse()
	if err != nil {
		return usageError{err}
	}
	result, err := o.replay(cmd, target)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if o.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	return printReplay(cmd.OutOrStdout(), result)
}

// replay holds the directory's lock while it works.
func (o *replayOptions) replay(cmd *cobra.Command, target redo.Target) (res replayResult, err error) {
	data, err := pgdata.Open(vfs.OS, o.dir)
	if err != nil {
		return res, err
	}
	lock, err := data.Lock(0)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := waldir.SyncAll(cmd.Context(), vfs.OS, data.WALPath()); err != nil { // it may have been copied there just now
		return res, err
	}
	wal := o.openWAL(data)
	defer func() { err = errors.Join(err, wal.Close()) }()
	r, err := redo.New(redo.Config{Dir: o.dir, WAL: wal, CacheBytes: int64(o.cache)})
	if err != nil {
		return res, err
	}
	_, res.Start = r.Position()
	if err := o.watch(r); err != nil {
		return res, errors.Join(err, r.Close())
	}
	defer func() { err = errors.Join(err, o.changes.close()) }()
	if err := o.apply(cmd, r, target, &res); err != nil {
		return res, errors.Join(err, r.Close())
	}
	return res, nil
}

func (o *replayOptions) openWAL(data *pgdata.DataDir) *redo.DirWAL {
	if o.wal == "" {
		return redo.NewDirWAL(data.WALPath(), data.SegmentSize)
	}
	return redo.NewDirWAL(o.wal, data.SegmentSize, data.WALPath())
}

// watch has changes of catalogs written to a file, if that is asked for.
func (o *replayOptions) watch(r *redo.Redo) error {
	emit, err := o.changes.open()
	if emit != nil {
		failed := func(err error) { o.changes.err = err }
		r.Observe(changes.New(r, changes.Config{Emit: emit, Failed: failed}))
	}
	return err
}

// logEnd is the end of the newest segment that there is: the log ends there or before.
func (o *replayOptions) logEnd(data *pgdata.DataDir) (end xlog.LSN) {
	for _, dir := range []string{o.wal, data.WALPath()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it is only to show how far replay is
		}
		for _, e := range entries {
			if _, n, err := data.SegmentSize.ParseName(e.Name()); err == nil {
				end = max(end, data.SegmentSize.Start(n+1))
			}
		}
	}
	return end
}

// apply replays, and writes everything to disk.
func (o *replayOptions) apply(cmd *cobra.Command, r *redo.Redo, target redo.Target, res *replayResult) error {
	began, end := time.Now(), o.logEnd(r.DataDir())
	stopped := newProgress(cmd.ErrOrStderr(), "replay", o.quiet).poll(func() (done, total int64) {
		return r.Progress().LSN.Sub(res.Start), end.Sub(res.Start)
	})
	stop, err := r.Replay(cmd.Context(), redo.ReplayConfig{Target: target})
	stopped()
	if err != nil {
		return err
	}
	res.RedoSeconds = time.Since(began).Seconds()
	began = time.Now()
	if err := r.Flush(); err != nil {
		return err
	}
	if err := r.Shutdown(); err != nil {
		return err
	}
	res.WriteSeconds = time.Since(began).Seconds()
	p := r.Progress()
	res.Replay, res.Timeline, res.Consistent = p.LSN, p.Timeline, p.Consistent
	if !p.LastXact.IsZero() {
		res.LastXact = &p.LastXact
	}
	res.End = "target " + target.String()
	if stop.End != nil {
		res.End = stop.End.Error()
	}
	return nil
}

func printReplay(out io.Writer, res replayResult) error {
	consistent := "not consistent"
	if res.Consistent.Valid() {
		consistent = fmt.Sprintf("consistent since %s", res.Consistent)
	}
	_, err := fmt.Fprintf(out,
		"Replayed from %s to %s on timeline %s, %s, in %.2f s and %.2f s for the disk.\nEnded because: %s\n",
		res.Start, res.Replay, res.Timeline, consistent, res.RedoSeconds, res.WriteSeconds, res.End)
	return err
}
