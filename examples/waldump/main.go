// SPDX-License-Identifier: Apache-2.0

// Waldump does what PostgreSQL's pg_waldump does, over the packages xlog, xlog/rmgr and xlog/bufpage: it prints the
// records of a write-ahead log, or statistics of them, of PostgreSQL 12 to 18, Greenplum 7 and Cloudberry.
//
//	waldump -p /srv/data/pg_wal -s 0/3000028 -e 0/4000000
//	waldump --stats=record /srv/archive/000000010000000000000003.zst
//	waldump -f -p /srv/data -s 0/3000028 --rmgr heap --json
//
// Options, text, messages and exit codes are those of pg_waldump 15 (src/bin/pg_waldump/pg_waldump.c); the descriptions
// of records and the form of the statistics are those of the log's own version. What differs:
//
//   - --json prints an object for each record, see the help;
//   - --save-fullpage is there as in version 16;
//   - --dialect says what wrote the log, when neither the control file beside the directory nor the pages tell;
//   - segments may be compressed (.gz, .lz4, .zst) or received in part (.partial);
//   - the work is spread over the processors that there are;
//   - --follow waits for the next segment without end, and looks ten times a second.
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
	progname    = "waldump"
	exitFailure = 1
)

func main() { cli.Main(run) }

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(len(args))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: error: %v\n", progname, err)
	if usage, ok := errors.AsType[usageError](err); ok {
		if usage.detail != "" {
			fmt.Fprintf(stderr, "%s: detail: %s\n", progname, usage.detail)
		}
		fmt.Fprintf(stderr, "%s: hint: Try \"%s --help\" for more information.\n", progname, progname)
	}
	return exitFailure
}

// usageError is a mistake in the command line.
type usageError struct {
	error
	detail string
}

func usagef(format string, args ...any) error { return usageError{error: fmt.Errorf(format, args...)} }

func newRoot(args int) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   progname + " [OPTION]... [STARTSEG [ENDSEG]]",
		Short: "Decode and display write-ahead logs of PostgreSQL, Greenplum and Cloudberry",
		Long: `Decode and display the write-ahead log of a PostgreSQL 12 to 18, Greenplum 7 or Cloudberry server, as pg_waldump
does.

With --json each record is an object on a line of its own:
  lsn, end, prev   positions, as "0/3000028"
  timeline, xid    numbers
  rmgr, record     names, as "Heap" and "INSERT+INIT"
  description      what the text form says of the record
  len, total_len   bytes without and with full-page images
  origin, top_xid  replication origin and top-level transaction, left out when there is none
  blocks           the block references: id, rel, fork, block, data_len, will_init, and fpw with len, hole_offset,
                   hole_length, compression and apply
  data             what the record carries, by the names of walmirror's structs; bytes are in hexadecimal

Exit codes: 0 at the given end of the log or when it was interrupted, 1 otherwise.`,
		Example: `  waldump -p /srv/data/pg_wal -s 0/3000028 -e 0/4000000
  waldump --stats=record /srv/archive/000000010000000000000003.zst
  waldump -f -p /srv/data -s 0/3000028 --rmgr heap --json`,
		Version:       cli.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,

		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, positional []string) error {
			if args == 0 {
				return usagef("no arguments specified")
			}
			if o.listRmgrs() {
				return o.printRmgrs(cmd.OutOrStdout())
			}
			if err := o.check(positional); err != nil {
				return err
			}
			return dump(cmd.Context(), &o, positional, cmd.OutOrStdout())
		},
	}
	cmd.SetVersionTemplate(progname + " (walmirror) {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{error: err} })
	o.register(cmd.Flags())
	return cmd
}
