// SPDX-License-Identifier: Apache-2.0

// Standby keeps a standby coordinator for PostgreSQL, Greenplum or Cloudberry: it takes a snapshot of a running server,
// follows its write-ahead log, and brings the standby up as the new coordinator when the old one is lost.
//
//	standby init --primary 'host=db1 user=replicator' -D /data/standby --port 5433
//	standby run -D /data/standby
//	standby status -D /data/standby
//	standby watch -D /data/standby
//	standby activate -D /data/standby
//	standby replay -D /data/copy --wal /archive
//
// Without a command it shows within seconds what standbys are for, on a coordinator of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Exit codes, also in the help text.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitAlive      = 3 // activate: the primary still answers
	exitInUse      = 4 // another process works on the directory
	exitIncomplete = 5 // the directory holds a snapshot that was not finished
	exitNotRunning = 6 // status, watch: no process keeps the standby current
)

const exitHelp = `Exit codes:
  0  success
  1  failure
  2  wrong usage
  3  activate: refused because the primary still answers
  4  another process works on the data directory
  5  the data directory holds a snapshot that was not finished
  6  status, watch: the standby is not running; status of an activated one: no server is either`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// errNotRunning makes status end with exitNotRunning after it has printed everything.
var errNotRunning = errors.New("the standby is not running")

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(append([]string{}, args...)) // nil would be os.Args
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	if err != nil && !errors.Is(err, errNotRunning) {
		fmt.Fprintln(stderr, "standby:", err)
		if code == exitUsage {
			fmt.Fprintln(stderr, "Try \"standby --help\".")
		}
	}
	return code
}

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, standby.ErrPrimaryAlive):
		return exitAlive
	case errors.Is(err, vfs.ErrLocked):
		return exitInUse
	case errors.Is(err, pgdata.ErrIncomplete):
		return exitIncomplete
	case errors.Is(err, errNotRunning), errors.Is(err, standby.ErrNotRunning):
		return exitNotRunning
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "standby",
		Short: "Keep a standby coordinator for PostgreSQL, Greenplum or Cloudberry",
		Long: `Keep a standby coordinator for PostgreSQL 12 to 18, Greenplum 7 or Cloudberry: take a snapshot of a running
server, follow its write-ahead log, and bring the standby up as the new coordinator when the old one is lost.

Without a command, a short demonstration with a coordinator of its own, which needs nothing else on the machine.

` + exitHelp,
		Example: `  standby init --primary 'host=db1 user=replicator' -D /data/standby --port 5433
  standby run -D /data/standby
  standby status -D /data/standby
  standby watch -D /data/standby
  standby activate -D /data/standby
  standby replay -D /data/copy --wal /archive`,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demonstrate(cmd.Context(), cmd.OutOrStdout())
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newInit(), newRun(), newStatus(), newWatch(), newActivate(), newReplay(), newDemoCoordinator())
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

// dirFlag is -D, which every command needs.
func dirFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVarP(dir, "pgdata", "D", os.Getenv("PGDATA"), "data directory of the standby (default $PGDATA)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *dir == "" {
			return usageError{errors.New("no data directory given: use -D, or set PGDATA")}
		}
		return nil
	}
}
