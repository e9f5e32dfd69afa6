// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/vfs"
)

func newWatch() *cobra.Command {
	var dir string
	var asJSON, commits bool
	cmd := &cobra.Command{
		Use:   "watch -D DIR",
		Short: "Show what transactions change in the catalogs",
		Long: `Show, transaction by transaction in the order of the commits, which rows of the catalogs are inserted (+),
updated (~) and deleted (-), with their old and new values: tables, columns, functions, roles, databases and everything
else that is defined on the primary, by anybody. The standby must be running ("standby run"); the primary needs no
setting, trigger, publication or logical decoding. What is committed from now on is shown, until interrupted.

With --json each transaction is a line, with all columns of the rows: "lsn" of the commit, "end_lsn", "timeline",
"xid", "time", "gid" of a prepared transaction, and "changes", each with "op" (insert, update, delete, inplace),
"database" (none for shared catalogs), "catalog", "old" and "new". Values are text, as COPY has them, or null.

Rows that the server overwrites in place, such as VACUUM does with the size of a table in pg_class, change at once and
without a commit: they are shown by themselves, but not with --commits.`,
		Example: `  standby watch -D /data/standby
  standby watch -D /data/standby --json | jq '.changes[] | select(.catalog == "pg_proc").new.proname'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			err := standby.WatchDir(cmd.Context(), dir, watchBegins(cmd.ErrOrStderr()), func(tx *changes.Transaction) error {
				if commits && tx.InPlace {
					return nil
				}
				return printChanges(out, tx, asJSON)
			})
			if cmd.Context().Err() != nil {
				return nil // told to end
			}
			return fmt.Errorf("watch: %w", err)
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each transaction")
	cmd.Flags().BoolVar(&commits, "commits", false, "leave out rows that are overwritten in place")
	return cmd
}

// watchBegins says on standard error from where on changes are shown.
func watchBegins(errs io.Writer) func(standby.WatchBegin) error {
	return func(b standby.WatchBegin) error {
		_, err := fmt.Fprintf(errs, "Watching from %s on timeline %s.\n", b.LSN, b.Timeline)
		return err
	}
}

func printChanges(out io.Writer, tx *changes.Transaction, asJSON bool) error {
	if asJSON {
		return writeJSON(out, tx)
	}
	_, err := out.Write(tx.AppendText(nil))
	return err
}

func writeJSON(out io.Writer, tx *changes.Transaction) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(tx)
}

// changesFile is the file that changes of catalogs are appended to, if there is one.
type changesFile struct {
	name string
	file *os.File
	err  error // the first
}

func (c *changesFile) add(fl *pflag.FlagSet) {
	fl.StringVar(&c.name, "changes", "",
		"append what transactions change in the catalogs to this file, as watch --json prints it")
}

// open gives what takes the changes, nil when none are asked for.
func (c *changesFile) open() (func(*changes.Transaction), error) {
	if c.name == "" {
		return nil, nil
	}
	var err error
	if c.file, err = os.OpenFile(c.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, vfs.FileMode); err != nil {
		return nil, err
	}
	return c.append, nil
}

func (c *changesFile) append(tx *changes.Transaction) {
	if c.err == nil {
		c.err = writeJSON(c.file, tx)
	}
}

// close gives the first error that there was.
func (c *changesFile) close() error {
	if c.file == nil {
		return nil
	}
	if err := c.file.Close(); c.err == nil {
		c.err = err
	}
	return c.err
}
