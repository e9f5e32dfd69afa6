// SPDX-License-Identifier: Apache-2.0

// Package pgreplay has a real server replay a log, so that what it leaves can be compared with what others leave.
//
//	source := &pgreplay.Source{Major: 15, Base: base, WAL: walDir, Last: lastRecord}
//	err := source.Copy(dir)                 // base and log: a data directory ready for replay
//	err = source.Replay(ctx, dir)           // a server applies everything and is shut down
//
// The server is a standby without a primary (hot_standby = off) that has its log in pg_wal and stops behind a given
// record. It keeps every page in its cache until its only restartpoint, at the shutdown: what it leaves depends on the
// log alone.
package pgreplay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Source is a base and the log after it.
type Source struct {
	Major   int
	Version int      // server_version_num
	Base    string   // data directory; its pg_wal, its postmaster.pid and its settings of recovery do not count
	WAL     string   // directory of the segments and history files
	Last    xlog.LSN // begin of the last record to replay
	// Tablespaces are the directories that the log's CREATE TABLESPACE names. They belong to one replay at a time,
	// see Apart.
	Tablespaces []string
}

// Copy makes dir, which must not exist, a data directory in which everything is ready for replay as a standby.
func (s *Source) Copy(dir string) error {
	if err := copyTree(s.Base, dir); err != nil {
		return err
	}
	if err := s.linkWAL(filepath.Join(dir, pgdata.WALDir)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "standby.signal"), nil, 0o600); err != nil {
		return err
	}
	return pgserver.Chown(dir)
}

// linkWAL gives a replay the files of the log. Nothing is written to them.
func (s *Source) linkWAL(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "archive_status"), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.WAL)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := os.Link(filepath.Join(s.WAL, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// settings are those of the server that replays on dir: a cache that holds everything, and nobody who writes from it
// before the end, see package pagecompare. It has nothing to listen for, but insists on a socket.
func (s *Source) settings(dir string) map[string]string {
	return map[string]string{
		"listen_addresses": "", "unix_socket_directories": dir, "hot_standby": "off", "fsync": "off",
		"shared_buffers": "600MB", "bgwriter_lru_maxpages": "0", "checkpoint_timeout": "1d", "max_wal_size": "1TB",
		"recovery_target_lsn": s.Last.String(), "recovery_target_action": "shutdown", "primary_conninfo": "",
		"recovery_target_timeline": "latest", "max_prepared_transactions": "20",
	}
}

// Replay runs a server on a directory that Copy made until it has applied the last record and has shut down.
func (s *Source) Replay(ctx context.Context, dir string) error {
	args := []string{"-D", dir}
	for name, value := range s.settings(dir) {
		args = append(args, "-c", name+"="+value)
	}
	cmd := pgserver.Command(ctx, s.Major, "postgres", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("pgreplay: %w\n%s", err, out)
	}
	control, err := pgdata.ReadControl(vfs.OS, dir)
	if err != nil {
		return err
	}
	if !strings.Contains(string(out), "recovery stopping after") || control.State != pgdata.DBShutdownedInRecovery {
		return fmt.Errorf("pgreplay: the server did not reach its target, it is %s\n%s", control.State, out)
	}
	return nil
}

// Apart runs one replay on dir with empty directories for its tablespaces, and takes away what they hold then: to the
// directory dir.tablespaces, where the links of dir will lead.
func (s *Source) Apart(dir string, replay func() error) error {
	for _, location := range s.Tablespaces {
		if err := os.MkdirAll(location, 0o700); err != nil {
			return err
		}
		if err := pgserver.Chown(location); err != nil {
			return err
		}
	}
	err := replay()
	return errors.Join(err, s.takeAway(dir))
}

func (s *Source) takeAway(dir string) error {
	moved := map[string]string{}
	for i, location := range s.Tablespaces {
		to := filepath.Join(dir+".tablespaces", fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(location, to); err != nil {
			return err
		}
		moved[location] = to
	}
	links, err := filepath.Glob(filepath.Join(dir, "pg_tblspc", "*"))
	if err != nil {
		return err
	}
	for _, link := range links {
		if err := relink(link, moved); err != nil {
			return err
		}
	}
	return nil
}

// relink lets a link to a directory that was moved lead to where it is now.
func relink(link string, moved map[string]string) error {
	target, err := os.Readlink(link)
	if err != nil || moved[target] == "" {
		return nil // not a link, or not one of ours
	}
	if err := os.Remove(link); err != nil {
		return err
	}
	return os.Symlink(moved[target], link)
}
