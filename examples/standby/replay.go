// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// replayOptions are the flags of replay.
type replayOptions struct {
	dir, wal  string
	cache     byteSize
	target    redo.Target
	lsn, time string
	json      bool
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
		Long: `Replay the log that is in the directory's pg_wal, or in an archive, from where the directory is up to the log's end
or to a target, without a connection. Afterwards the directory is as that of a standby that was shut down.`,
		Example: `  standby replay -D /data/standby
  standby replay -D /data/copy --wal /archive --recovery-target-time '2026-01-31 12:00:00+00'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	dirFlag(cmd, &o.dir)
	fl := cmd.Flags()
	fl.StringVar(&o.wal, "wal", "", "directory to take the log from before the directory's pg_wal")
	fl.Var(&o.cache, "cache", "memory for pages, such as 512M")
	fl.StringVar(&o.lsn, "recovery-target-lsn", "", "end at this position of the log")
	fl.StringVar(&o.time, "recovery-target-time", "", "end at this time")
	fl.Uint32Var(&o.target.XID, "recovery-target-xid", 0, "end at this transaction")
	fl.StringVar(&o.target.Name, "recovery-target-name", "", "end at this restore point")
	fl.BoolVar(&o.target.Immediate, "recovery-target-immediate", false, "end as soon as the directory is consistent")
	fl.BoolVar(&o.target.Exclusive, "recovery-target-exclusive", false, "end before the target instead of after it")
	fl.BoolVar(&o.json, "json", false, "print the result as JSON")
	return cmd
}

func (o *replayOptions) run(cmd *cobra.Command) error {
	if err := o.parseTarget(); err != nil {
		return usageError{err}
	}
	result, err := o.replay(cmd)
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

// timeLayouts are the forms of --recovery-target-time.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999Z07", "2006-01-02 15:04:05.999999 MST",
}

func (o *replayOptions) parseTarget() (err error) {
	if o.lsn != "" {
		if o.target.LSN, err = xlog.ParseLSN(o.lsn); err != nil {
			return fmt.Errorf("--recovery-target-lsn: %w", err)
		}
	}
	if o.time == "" {
		return nil
	}
	for _, layout := range timeLayouts {
		if o.target.Time, err = time.Parse(layout, o.time); err == nil {
			return nil
		}
	}
	return fmt.Errorf("--recovery-target-time: %q is not a time with its zone", o.time)
}

// replay holds the directory's lock while it works.
func (o *replayOptions) replay(cmd *cobra.Command) (res replayResult, err error) {
	data, err := pgdata.Open(vfs.OS, o.dir)
	if err != nil {
		return res, err
	}
	lock, err := data.Lock(0)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	wal := o.openWAL(data)
	defer func() { err = errors.Join(err, wal.Close()) }()
	r, err := redo.New(redo.Config{Dir: o.dir, WAL: wal, CacheBytes: int64(o.cache)})
	if err != nil {
		return res, err
	}
	_, res.Start = r.Position()
	if err := o.apply(cmd, r, &res); err != nil {
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

// apply replays, and writes everything to disk.
func (o *replayOptions) apply(cmd *cobra.Command, r *redo.Redo, res *replayResult) error {
	began := time.Now()
	stop, err := r.Replay(cmd.Context(), redo.ReplayConfig{Target: o.target})
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
	res.End = "target " + o.target.String()
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
	_, err := fmt.Fprintf(out, "Replayed from %s to %s on timeline %s, %s, in %.2f s and %.2f s for the disk.\nEnded because: %s\n",
		res.Start, res.Replay, res.Timeline, consistent, res.RedoSeconds, res.WriteSeconds, res.End)
	return err
}
