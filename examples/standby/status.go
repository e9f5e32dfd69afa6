// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/walreceiver/standby"
)

func newStatus() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status -D DIR",
		Short: "Show how far the standby is",
		Long: `Show what the standby knows about itself, whether "standby run" works on the directory or not. After activation it
shows the timeline, where it left the former one, and whether a server runs on the directory: then it is no failure that
"standby run" does not.`,
		Example: `  standby status -D /data/standby
  standby status -D /data/standby --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := standby.ReadStatus(dir)
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(st)
			} else {
				err = printStatus(cmd.OutOrStdout(), st, time.Now())
			}
			if err == nil && !st.Running && st.PostgreSQL == nil {
				err = errNotRunning
			}
			return err
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; names are those of pg_stat_wal_receiver where it has them")
	return cmd
}

func printStatus(out io.Writer, st standby.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("state", "%s", st.State)
	if st.Activation != nil {
		printActivated(row, st, now)
		return w.Flush()
	}
	if st.Running {
		row("process", "%d, running for %s", st.PID, now.Sub(st.StartedAt).Round(time.Second))
	}
	row("data directory", "%s", st.DataDirectory)
	if st.CatalogOnly {
		row("contents", "catalogs alone, no data: this directory can never be activated")
	}
	row("system identifier", "%d", st.SystemIdentifier)
	row("primary", "%s", st.Primary)
	if st.Server != "" {
		row("server", "%s", st.Server)
	}
	row("slot", "%s", orNone(st.Slot))
	row("timeline", "%s", st.Timeline)
	row("received", "%s", st.WrittenLSN)
	row("flushed", "%s", st.FlushedLSN)
	row("primary's end", "%s", st.LatestEndLSN)
	row("lag", "%s, %.1f s", byteCount(st.LagBytes), st.LagSeconds)
	printReplayStatus(row, st.Replay, now)
	row("last message sent", "%s", when(st.LastMsgSendTime, now))
	row("last message received", "%s", when(st.LastMsgRecvTime, now))
	row("reconnects", "%d", st.Reconnects)
	row("starts", "%d", st.Starts)
	if st.Port != 0 {
		row("port once activated", "%d", st.Port)
	}
	printFollowers(row, st.Followers)
	if st.LastError != "" {
		row("last error", "%s: %s", when(st.LastErrorTime, now), st.LastError)
	}
	return w.Flush()
}

// printActivated is the status of a standby that has become a primary: there is no primary to lag behind any more.
func printActivated(row func(name, format string, args ...any), st standby.Status, now time.Time) {
	a := st.Activation
	if !a.At.IsZero() {
		row("activated", "%s, within %s", when(a.At, now), a.Took.Round(time.Millisecond))
	}
	switch {
	case st.Running:
		row("process", "%d, serves those who follow it; it holds the directory until it ends", st.PID)
	case st.PostgreSQL != nil:
		row("server", "process %d, port %d, %s", st.PostgreSQL.PID, st.PostgreSQL.Port, st.PostgreSQL.State)
	default:
		row("server", "none runs: start one on the directory, there is nothing to recover")
	}
	row("data directory", "%s", st.DataDirectory)
	row("system identifier", "%d", st.SystemIdentifier)
	row("timeline", "%s, which left timeline %s at %s", a.NewTimeline, a.OldTimeline, a.Switch)
	if a.End.Valid() {
		row("log at activation", "ends at %s", a.End)
	}
	if st.Primary != "" {
		row("former primary", "%s", st.Primary)
	}
	if st.Port != 0 {
		row("port", "%d", st.Port)
	}
	printFollowers(row, st.Followers)
	if st.LastError != "" && st.LastErrorTime.After(a.At) {
		row("last error", "%s: %s", when(st.LastErrorTime, now), st.LastError)
	}
}

func printFollowers(row func(name, format string, args ...any), all []standby.FollowerStatus) {
	for _, f := range all {
		row("follower", "%s at %s, %s, flushed %s, replayed %s, slot %s", f.ApplicationName, cmp.Or(f.ClientAddr, "a socket"),
			f.State, f.FlushLSN, f.ReplayLSN, orNone(f.Slot))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func when(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%s (%s ago)", t.Format(time.DateTime), now.Sub(t).Round(100*time.Millisecond))
}

func printReplayStatus(row func(name, format string, args ...any), st standby.ReplayStatus, now time.Time) {
	row("replay", "%s", st.State)
	row("replayed", "%s on timeline %s", st.LSN, st.Timeline)
	row("replay lag", "%s, %.1f s", byteCount(st.LagBytes), st.LagSeconds)
	row("last transaction", "%s", when(st.LastXact, now))
	row("consistent", "%t", st.Consistent)
	row("last restartpoint", "%s", st.Restartpoint)
	row("page cache hits", "%.1f %%", 100*st.CacheHitRate)
	if st.Error != "" {
		row("replay error", "%s: %s", when(st.ErrorTime, now), st.Error)
	}
}
