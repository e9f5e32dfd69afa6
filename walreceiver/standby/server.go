// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// server is the real server of a data directory, worked through its own pg_ctl.
type server struct {
	data       *pgdata.DataDir
	binDir     string
	credential *syscall.Credential // nil: as we are
}

// serverLog is where the server writes until its logging collector starts.
const serverLog = "walmirror.postgres.log"

// longWait stands for "until the context ends": pg_ctl has no other way to say it.
const longWait = "2147483"

func newServer(data *pgdata.DataDir, binDir string) (server, error) {
	s := server{data: data, binDir: binDir}
	for _, name := range []string{"postgresql.conf", "pg_hba.conf"} {
		if _, err := os.Stat(filepath.Join(data.Path, name)); errors.Is(err, fs.ErrNotExist) {
			return s, fmt.Errorf("%s is missing in %s: the primary keeps it elsewhere (SHOW config_file); copy it "+
				"into the directory", name, data.Path)
		}
	}
	uid, gid, err := owner(data)
	if err != nil || os.Geteuid() != 0 {
		return s, err
	}
	if uid == 0 {
		return s, fmt.Errorf("%s belongs to root, and PostgreSQL does not run as root: give it to the user of the "+
			"server (chown -R postgres: %s)", data.Path, data.Path)
	}
	s.credential = &syscall.Credential{Uid: uid, Gid: gid}
	return s, nil
}

// owner is to whom the directory belongs.
func owner(data *pgdata.DataDir) (uid, gid uint32, err error) {
	info, err := os.Stat(data.Path)
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, nil
	}
	return st.Uid, st.Gid, nil
}

// giveToOwner gives what root made in the directory and its tablespaces to the directory's owner.
func giveToOwner(data *pgdata.DataDir) error {
	uid, gid, err := owner(data)
	if err != nil || os.Geteuid() != 0 || uid == 0 {
		return err
	}
	roots := []string{data.Path}
	for _, space := range data.Tablespaces {
		if space.Path != "" {
			roots = append(roots, space.Path)
		}
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, int(uid), int(gid))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s server) logFile() string { return filepath.Join(s.data.Path, serverLog) }

// start runs the server.
func (s server) start(ctx context.Context) error { return s.startWith(ctx, serverOptions(s.data)) }

// startStandby runs the server as a standby that has no primary: it replays what is in pg_wal and waits for promotion.
func (s server) startStandby(ctx context.Context) error {
	return s.startWith(ctx, "-c primary_conninfo= -c primary_slot_name= -c restore_command= "+serverOptions(s.data))
}

func (s server) startWith(ctx context.Context, options string) error {
	args := []string{"start", "-l", s.logFile()}
	if options != "" {
		args = append(args, "-o", options)
	}
	return s.pgCtl(ctx, args...)
}

// serverOptions are what a coordinator's server is told.
func serverOptions(data *pgdata.DataDir) string {
	if data.Dialect.Flavour() != xlog.PostgreSQL {
		return "-c gp_role=dispatch"
	}
	return ""
}

func (s server) promote(ctx context.Context) error { return s.pgCtl(ctx, "promote") }

// pgCtl runs pg_ctl and waits for what it was asked to do. Its words, and the server's where it failed to start, are in
// the error.
func (s server) pgCtl(ctx context.Context, args ...string) error {
	args = append([]string{args[0], "-D", s.data.Path, "-w", "-t", longWait}, args[1:]...)
	cmd := exec.CommandContext(ctx, filepath.Join(s.binDir, "pg_ctl"), args...)
	cmd.Dir = s.data.Path
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl %s: %w: %s%s", args[0], err, lastLine(out), s.logHint())
	}
	return nil
}

func (s server) logHint() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil || len(text) == 0 {
		return ""
	}
	return "; the server's last words, in " + s.logFile() + ": " + strconv.Quote(lastLine(text))
}

func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
