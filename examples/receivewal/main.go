// SPDX-License-Identifier: Apache-2.0

// Receivewal does what PostgreSQL's pg_receivewal does, over the packages walreceiver and waldir: it streams the
// write-ahead log of a running server into a directory of segment files, for an archive.
//
//	receivewal -D /srv/archive -d 'host=db1 user=replicator' --slot archive --create-slot --if-not-exists
//	receivewal -D /srv/archive -d 'host=db1 user=replicator' --slot archive --compress gzip:6 -v
//
// Options, messages and exit codes are those of pg_receivewal 15 (src/bin/pg_basebackup/pg_receivewal.c), and either
// program carries on in a directory that the other one filled. What differs:
//
//   - log is flushed, and the server told so, as soon as it has arrived: --synchronous changes nothing;
//   - little log goes to the disk around the page cache, where the filesystem can do that (O_DIRECT);
//   - a segment is compressed once it is complete, so a partial one is never compressed;
//   - zstd is there besides gzip and lz4;
//   - a slot that --create-slot makes keeps the server's log from then on, not only from its first use on;
//   - SIGTERM ends it in order, as SIGINT does;
//   - a directory is locked against a second receiver.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/walmirror/walmirror/examples/internal/cli"
)

const (
	progname    = "receivewal"
	exitFailure = 1
)

func main() { cli.Main(run) }

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: error: %v\n", progname, err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "%s: hint: Try \"%s --help\" for more information.\n", progname, progname)
	}
	return exitFailure
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func newRoot(stderr io.Writer) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   progname + " [OPTION]...",
		Short: "Receive PostgreSQL's streaming write-ahead log into a directory",
		Long: `Receive the streaming write-ahead log of a PostgreSQL 12 to 18, Greenplum 7 or Cloudberry server into a directory,
as pg_receivewal does. It runs until it is interrupted (SIGINT, SIGTERM), or the end position is reached. A lost
connection is made again, unless --no-loop is given.

Exit codes: 0 when it was interrupted or reached the end position, 1 otherwise.`,
		Example: `  receivewal -d 'host=db1 user=replicator' --slot archive --create-slot --if-not-exists
  receivewal -d 'host=db1 user=replicator' --slot archive -D /srv/archive --compress gzip:6 -v
  receivewal -h db1 -U replicator -D /srv/archive --endpos 2/3F000000 --no-loop`,
		Version:       cli.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,

		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("too many command-line arguments (first is %q)", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return receive(cmd.Context(), &o, &logger{w: stderr, verbose: o.verbose})
		},
	}
	cmd.SetVersionTemplate(progname + " (walmirror) {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	o.register(cmd.Flags())
	return cmd
}
