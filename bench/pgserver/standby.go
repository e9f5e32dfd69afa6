// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Promote makes a standby a primary and returns when it is one and accepts connections.
func (s *Server) Promote() error {
	if !s.Running() {
		return fmt.Errorf("pgserver: promote: the server does not run")
	}
	name := filepath.Join(s.DataDir, "promote") // PROMOTE_SIGNAL_FILE of xlog.h
	temp := name + ".temp"                      // the server may find the file before it gets our signal, and remove it
	if err := os.WriteFile(temp, nil, 0o600); err != nil {
		return err
	}
	if err := Chown(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	if err := s.proc.signal(sigPromote); err != nil {
		return err
	}
	return s.waitPromoted()
}

func (s *Server) waitPromoted() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.StartTimeout)
	defer cancel()
	for {
		rows, err := s.Query(ctx, "SELECT pg_is_in_recovery()")
		if err == nil && rows[0][0] == "f" {
			return nil
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("pgserver: promote: the server ended: %w", endError(s.proc.err))
		case <-ctx.Done():
			return fmt.Errorf("pgserver: promote: %w", errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Standby is NewStandby for a test, closed at its end.
func (s *Server) Standby(t testing.TB, opts Options) *Server {
	t.Helper()
	standby, err := s.NewStandby(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, standby)
	return standby
}

// NewStandby makes a copy of the running server and starts it as its hot standby, of the same version. It streams
// through a slot on the primary named as StandbySlot says. Of the options, Settings, Fsync, Port and StartTimeout count.
func (s *Server) NewStandby(ctx context.Context, opts Options) (*Server, error) {
	opts.Major, opts.Password, opts.Auth = s.Major, s.opts.Password, s.opts.Auth
	standby, err := prepare(opts)
	if err != nil {
		return nil, err
	}
	if standby.Port == 0 {
		standby.Port = freePort()
	}
	if err = s.backup(ctx, standby); err == nil {
		err = standby.follow(s)
	}
	if err == nil {
		err = standby.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, standby.Close())
	}
	return standby, nil
}

// StandbySlot is the name of the slot that a server made by NewStandby uses on its primary.
func (s *Server) StandbySlot() string { return fmt.Sprintf("standby_%d", s.Port) }

// backup copies the data directory between the two calls of a low-level base backup.
func (s *Server) backup(ctx context.Context, standby *Server) error {
	start, stop := "pg_backup_start('standby', true)", "pg_backup_stop(false)"
	if s.Major < 15 {
		start, stop = "pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)"
	}
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	slot := "SELECT pg_create_physical_replication_slot($1, true)"
	if _, err := conn.Exec(ctx, slot, standby.StandbySlot()); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT "+start); err != nil {
		return err
	}
	if err := copyData(s.DataDir, standby.DataDir, standby.work.path); err != nil {
		return err
	}
	var label string
	if err := conn.QueryRow(ctx, "SELECT labelfile FROM "+stop).Scan(&label); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(standby.DataDir, "backup_label"), []byte(label), 0o600)
}

// follow makes the copied data directory a standby of primary.
func (s *Server) follow(primary *Server) error {
	if err := os.WriteFile(filepath.Join(s.DataDir, "standby.signal"), nil, 0o600); err != nil {
		return err
	}
	settings := map[string]string{
		"primary_conninfo":  primary.ConnString("application_name=" + s.StandbySlot()),
		"primary_slot_name": s.StandbySlot(),
		"fsync":             "off",
	}
	if s.opts.Fsync {
		settings["fsync"] = "on"
	}
	for name, value := range s.opts.Settings {
		settings[name] = value
	}
	if err := s.Configure(settings); err != nil {
		return err
	}
	return Chown(s.work.path)
}

// emptied are the directories whose contents a backup leaves out (basebackup.c, excludeDirContents), and pg_wal, which
// the standby streams.
var emptied = map[string]bool{
	"pg_wal": true, "pg_dynshmem": true, "pg_notify": true, "pg_replslot": true, "pg_serial": true,
	"pg_snapshots": true, "pg_stat_tmp": true, "pg_subtrans": true,
}

// copyData copies the data directory of a running server, with its tablespaces to tablespaces/OID in work.
func copyData(from, to, work string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // dropped while we looked
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir() && emptied[filepath.Dir(rel)]:
			return makeEmpty(target, filepath.Dir(rel))
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case d.Type()&fs.ModeSymlink != 0:
			return copyTablespace(name, target, work)
		case emptied[filepath.Dir(rel)], rel == "postmaster.pid", rel == "postmaster.opts":
			return nil
		}
		return copyFile(name, target)
	})
}

// makeEmpty is for a directory inside an emptied one: pg_wal/archive_status is needed, pg_replslot/NAME is not wanted.
func makeEmpty(target, parent string) error {
	if parent == "pg_wal" {
		if err := os.MkdirAll(target, 0o700); err != nil {
			return err
		}
	}
	return fs.SkipDir
}

func copyTablespace(link, target, work string) error {
	from, err := os.Readlink(link)
	if err != nil {
		return err
	}
	to := filepath.Join(work, "tablespaces", filepath.Base(link))
	if err := copyData(from, to, work); err != nil {
		return err
	}
	return os.Symlink(to, target)
}

// copyFile is CopyFile for a file that may be dropped meanwhile.
func copyFile(from, to string) error {
	if err := CopyFile(from, to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// CopyFile copies a file to one that is not there yet.
func CopyFile(from, to string) error {
	return copyContent(from, to, func(dst *os.File, src io.Reader) error {
		_, err := io.Copy(dst, src)
		return err
	})
}

// copyContent copies a file to one that is not there yet, by means of content.
func copyContent(from, to string, content func(dst *os.File, src io.Reader) error) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(content(dst, src), dst.Close())
}

// Adopt is NewAdopted for a test, closed at its end.
func Adopt(t testing.TB, dir string, opts Options) *Server {
	t.Helper()
	opts = opts.withDefaults()
	Require(t, opts.Major)
	s, err := NewAdopted(context.Background(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s)
	return s
}

// NewAdopted starts a server on a data directory that exists, made by whatever means, and never removes it. It and the
// tablespaces it links to are given to the servers' user. Of the options, Major, Settings, Port, Password and
// StartTimeout count; a Password must be the one that the directory has.
func NewAdopted(ctx context.Context, dir string, opts Options) (*Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := reachable(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	s, err := prepare(opts)
	if err != nil {
		return nil, err
	}
	s.DataDir = dir
	if err = s.own(); err == nil && len(opts.Settings) > 0 {
		err = s.Configure(opts.Settings)
	}
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// own gives the data directory and its tablespaces to the servers' user, with the mode that a server insists on.
func (s *Server) own() error {
	links, err := filepath.Glob(filepath.Join(s.DataDir, "pg_tblspc", "*"))
	if err != nil {
		return err
	}
	for _, path := range append(links, s.DataDir) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return err
		}
		if err := Chown(real); err != nil {
			return err
		}
	}
	return os.Chmod(s.DataDir, 0o700)
}
