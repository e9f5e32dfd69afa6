// SPDX-License-Identifier: Apache-2.0

// Relay serves the write-ahead log in a directory to standbys, pg_receivewal and other relays, as a PostgreSQL server serves
// its own. The directory is an archive that relay itself keeps current from a primary, one that somebody else filled, or the
// data directory of a server that is shut down.
//
//	relay -D /srv/archive -d 'host=db1 user=replicator' --slot relay --create-slot --listen :5433
//	relay -D /srv/archive --listen 127.0.0.1:5433
//
// To a standby it is a server like the primary: primary_conninfo names it instead of the primary, primary_slot_name a slot
// that was made here.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/examples/internal/cli"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { cli.Main(run) }

// usageError is a mistake in the command line.
type usageError struct{ error }

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(append([]string{}, args...)) // nil would be os.Args
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "relay:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintln(stderr, "Try \"relay --help\".")
		return exitUsage
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "relay -D DIR --listen ADDRESS",
		Short: "Serve a directory of write-ahead log to standbys and receivers",
		Long: `Serve the write-ahead log in a directory by PostgreSQL's replication protocol. With --dbname the log is received
into the directory from a PostgreSQL 12 to 18, Greenplum 7 or Cloudberry server meanwhile, and what is durable here is
served at once; without it the directory is one that another program fills, which is looked at every --rescan, or a data
directory whose server is shut down.

SIGTERM and SIGINT end it: every client gets all there is first. SIGHUP makes it read host rules and users again.

Exit codes: 0 when it was told to end, 1 after a failure, 2 when the usage was wrong.`,
		Example: `  relay -D /srv/archive -d 'host=db1 user=replicator' --slot relay --create-slot --listen :5433 --users users
  relay -D /srv/archive --listen 127.0.0.1:5433 --rescan 5s`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unexpected argument %q", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: o.level}))
			return relay(cmd.Context(), &o, log)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	o.register(cmd.Flags())
	return cmd
}
