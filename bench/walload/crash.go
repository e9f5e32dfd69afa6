// SPDX-License-Identifier: Apache-2.0

package walload

import (
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// tear kills the server while the last record reaches over several segments, takes away all of them but the first, and
// starts it again: it writes OVERWRITE_CONTRECORD.
func (r *runner) tear() error {
	begin := r.load.lsn(r.t, "SELECT pg_current_wal_insert_lsn()")
	r.exec("SELECT pg_logical_emit_message(false, 'torn', repeat('t', 3500000))")
	r.closeSessions()
	if err := r.load.Kill(); err != nil {
		return err
	}
	size := r.load.SegmentSize
	names, err := filepath.Glob(filepath.Join(r.load.WALDir(), "00000001*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, n, err := size.ParseName(filepath.Base(name)); err == nil && n > size.Number(begin) {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return r.load.Start()
}

// crash kills the server while its sessions are open.
func (r *runner) crash() error {
	if err := r.load.Kill(); err != nil {
		return err
	}
	r.closeSessions()
	return r.load.Start()
}

// promote makes the server a standby that has no primary, and promotes it. It goes on on the next timeline.
func (r *runner) promote() error {
	r.closeSessions()
	s := r.load.Server
	if err := s.Stop(pgserver.Fast); err != nil {
		return err
	}
	name := filepath.Join(s.DataDir, "standby.signal")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return err
	}
	if err := pgserver.Chown(name); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	return s.Promote()
}
