// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/walmirror/walmirror/walreceiver/standby"
)

func newActivate() *cobra.Command {
	var cfg standby.ActivateConfig
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "activate -D DIR",
		Short: "Bring the standby up as the new coordinator",
		Long: `Bring the standby up as the new coordinator after the old one is lost: replay everything that was received,
begin a new timeline, and leave the directory as that of a server that was shut down. No PostgreSQL installation is
needed. With --postgres the server is started on the standby's port; without, its command line is printed.

A "standby run" on the directory does it itself. It goes on serving those who follow it, and holds the directory until it is
told to end; with --postgres it ends.

It refuses while the primary still answers: two servers that both accept writes cannot be joined again. Never start the
old coordinator again in its old directory; make it a standby of the new one with init.

It can be run again after an interruption, and with --postgres on a directory that is activated already. Run it as the user
that owns the directory.`,
		Example: `  standby activate -D /data/standby
  standby activate -D /data/standby --postgres /usr/lib/postgresql/15/bin -a`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				if err := confirm(cmd, cfg.Dir); err != nil {
					return err
				}
			}
			return activate(cmd, cfg, asJSON)
		},
	}
	dirFlag(cmd, &cfg.Dir)
	fl := cmd.Flags()
	fl.StringVar(&cfg.BinDir, "postgres", "", "start the server with postgres and pg_ctl of this directory")
	fl.BoolVarP(&cfg.Force, "force", "f", false, "also while the primary answers, or when acknowledged log cannot be read")
	fl.BoolVarP(&yes, "assume-yes", "a", false, "do not ask")
	fl.DurationVarP(&cfg.Timeout, "timeout", "t", 0, "give up a step after this time (default: never)")
	fl.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// confirm asks the person at the terminal. Without one it refuses.
func confirm(cmd *cobra.Command, dir string) error {
	f, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usageError{errors.New("activate asks before it begins, and there is no terminal: use -a")}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Make the standby in %s the new coordinator? y/N > ", dir)
	answer, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("activate: not confirmed, nothing was changed")
	}
	return nil
}

func activate(cmd *cobra.Command, cfg standby.ActivateConfig, asJSON bool) error {
	began := time.Now()
	cfg.OnStep = func(step string) {
		fmt.Fprintf(cmd.ErrOrStderr(), "activate: %6.2f s  %s\n", time.Since(began).Seconds(), step)
	}
	a, err := standby.Activate(cmd.Context(), cfg)
	if err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	out := cmd.OutOrStdout()
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(a)
	}
	printActivation(out, a)
	return nil
}

func printActivation(out io.Writer, a standby.Activation) {
	fmt.Fprintf(out, "The standby is the new coordinator after %s.\n", a.Took.Round(10*time.Millisecond))
	fmt.Fprintf(out, "  timeline %s, which left timeline %s at %s\n", a.NewTimeline, a.OldTimeline, a.Switch)
	switch {
	case a.PID != 0:
		fmt.Fprintf(out, "  accepting connections on port %d, process %d\n", a.Port, a.PID)
	case a.Serving != 0:
		fmt.Fprintf(out, "  its directory is shut down; process %d goes on serving those who follow it: end it, "+
			"then start the server\n", a.Serving)
	default:
		fmt.Fprintf(out, "  its directory is shut down: start the server\n")
	}
	if a.Command != "" {
		fmt.Fprintf(out, "    %s\n", a.Command)
	}
	fmt.Fprintf(out, "Do not start the old coordinator again in its old directory. Run ANALYZE on the new one.\n")
}
