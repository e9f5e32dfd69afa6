// SPDX-License-Identifier: Apache-2.0

// Bench measures walmirror against PostgreSQL's own tools, side by side: both on the same data in one run, in turn,
// several times. What it prints are ratios, because the machines that it runs on are noisy.
//
//	go run ./bench            everything
//	go run ./bench receive    a backlog of WAL, against pg_receivewal
//	go run ./bench send       the same backlog sent, against PostgreSQL's walsender
//	go run ./bench sync       synchronous commits, against pg_receivewal --synchronous
//	go run ./bench commit     commits that wait for a standby of our sender: histogram
//	go run ./bench redo       WAL replayed into pages, against PostgreSQL's startup process
//	go run ./bench backup     a snapshot of a running server, against pg_basebackup
//	go run ./bench decode     WAL to statistics and text, against pg_waldump
//	go run ./bench activate   from the order to take over until connections are accepted, against pg_ctl promote
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

// options are the flags that all benchmarks share.
type options struct {
	major int
	runs  int
	size  int64 // bytes of WAL
	secs  int   // of commits in each run
	load  string
	json  string
	plot  string
}

// shorten makes what was not asked for small enough to run every benchmark in one go.
func (o *options) shorten(changed func(flag string) bool) {
	if !changed("size") {
		o.size = 128 << 20
	}
	if !changed("runs") {
		o.runs = 3
	}
	if !changed("seconds") {
		o.secs = 3
	}
}

// benchmark is one comparison. It returns what it found.
type benchmark struct {
	name, about string
	run         func(context.Context, *bench) (report, error)
}

var benchmarks = []benchmark{
	{"receive", "receive a backlog of WAL, against pg_receivewal", receive},
	{"send", "send a backlog of WAL, against PostgreSQL's walsender", send},
	{"sync", "commits per second with one synchronous standby, against pg_receivewal --synchronous", syncCommit},
	{"commit", "commits that wait in syncrep for a standby of our sender, pg_receivewal or ours: histogram", commit},
	{"redo", "replay WAL into pages, against the startup process", redoWAL},
	{"backup", "take a snapshot of a running server, against pg_basebackup", backup},
	{"decode", "decode WAL to statistics and to text, against pg_waldump", decode},
	{"activate", "take over with a backlog of log to replay, against pg_ctl promote", activate},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	var opts options
	root := &cobra.Command{
		Use:           "bench",
		Short:         "Measure walmirror against PostgreSQL's own tools, side by side",
		Example:       "  go run ./bench\n  go run ./bench receive --size 1G --runs 5",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	all := func(cmd *cobra.Command, _ []string) error {
		opts.shorten(cmd.Flags().Changed)
		return runAll(cmd.Context(), opts, benchmarks)
	}
	root.RunE = all
	root.AddCommand(&cobra.Command{
		Use: "all", Short: "every benchmark, with less log and fewer runs, in about ten minutes", Args: cobra.NoArgs, RunE: all,
	})
	for _, b := range benchmarks {
		root.AddCommand(&cobra.Command{
			Use: b.name, Short: b.about, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return runAll(cmd.Context(), opts, []benchmark{b})
			},
		})
	}
	fl := root.PersistentFlags()
	fl.IntVar(&opts.major, "major", 15, "major version of the server and of the tools")
	fl.IntVar(&opts.runs, "runs", 5, "runs of each program")
	opts.size = 1 << 30
	fl.Var((*byteSize)(&opts.size), "size", "receive, send, redo, decode, activate: amount of WAL, with suffix M or G")
	fl.IntVar(&opts.secs, "seconds", 5, "sync, commit: length of each run")
	fl.StringVar(&opts.load, "load", "", "redo: only this load, ddl or pgbench")
	fl.StringVar(&opts.json, "json", "", "write the figures to this file too")
	fl.StringVar(&opts.plot, "plot", "", "draw the ratios to this file, .svg or .png")
	return root
}

func runAll(ctx context.Context, opts options, list []benchmark) error {
	b, err := newBench(opts)
	if err != nil {
		return err
	}
	fmt.Printf("%s/%s, %d processors\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	var reports []report
	for _, one := range list {
		fmt.Printf("\n== %s: %s\n", one.name, one.about)
		r, err := one.run(ctx, b)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", one.name, err), b.close())
		}
		r.Name = one.name
		r.print(os.Stdout)
		reports = append(reports, r)
	}
	return errors.Join(writeJSON(opts.json, reports), writePlot(opts.plot, reports), b.close())
}

func writeJSON(name string, reports []report) error {
	if name == "" {
		return nil
	}
	text, err := json.MarshalIndent(reports, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}
