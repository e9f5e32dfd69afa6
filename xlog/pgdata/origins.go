// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

const (
	originsName    = "pg_logical/replorigin_checkpoint"
	originsMagic   = 0x1257DADE // REPLICATION_STATE_MAGIC
	originSize     = 16         // ReplicationStateOnDisk
	doNotReplicate = 0xFFFF     // DoNotReplicateId
	defaultOrigins = 10
	maxOriginsFile = originSize<<16 + 8
)

// Origins is how far replication from other servers has come, and its file pg_logical/replorigin_checkpoint
// (src/backend/replication/logical/origin.c):
//
//	magic u32, {origin u16, pad 6, remote_lsn u64} * as many as there are, CRC-32C u32
type Origins struct {
	fsys vfs.FS
	path string
	perm fs.FileMode
	// states has the origins in the order of the file; an origin that was dropped leaves a place for the next.
	states []originState
	limit  int
}

type originState struct {
	id     uint16 // 0 for none
	remote xlog.LSN
}

func (o *Origins) init(cfg TransactionsConfig, perm fs.FileMode) error {
	*o = Origins{fsys: cfg.Dir.fsys, path: filepath.Join(cfg.Dir.Path, originsName), perm: perm, limit: defaultOrigins}
	text, ok, err := cfg.Dir.Conf(cfg.Dialect.OriginsSetting())
	if err != nil || !ok {
		return err
	}
	if n, err := strconv.Atoi(text); err == nil {
		o.limit = n
	}
	return nil
}

// Remote is how far an origin has come; 0 when nothing is known.
func (o *Origins) Remote(id uint16) xlog.LSN {
	if s := o.find(id); s != nil && id != 0 {
		return s.remote
	}
	return 0
}

// find is an origin, or of 0 the first free place.
func (o *Origins) find(id uint16) *originState {
	for i := range o.states {
		if o.states[i].id == id {
			return &o.states[i]
		}
	}
	return nil
}

// Advance notes that an origin has come to remote; back allows to go back (replorigin_advance).
func (o *Origins) Advance(id uint16, remote xlog.LSN, back bool) error {
	if id == 0 || id == doNotReplicate {
		return nil
	}
	s := o.find(id)
	if s == nil {
		s = o.find(0)
	}
	if s == nil {
		if len(o.states) >= o.limit {
			return fmt.Errorf("more than %d replication origins; see max_replication_slots, from PostgreSQL 18 on "+
				"max_active_replication_origins", o.limit)
		}
		o.states = append(o.states, originState{})
		s = &o.states[len(o.states)-1]
	}
	s.id = id
	if back || s.remote < remote {
		s.remote = remote
	}
	return nil
}

// Drop forgets an origin.
func (o *Origins) Drop(id uint16) {
	if s := o.find(id); s != nil {
		*s = originState{}
	}
}

// encode is the content of the file.
func (o *Origins) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, originsMagic)
	for _, s := range o.states {
		if s.id != 0 {
			b = binary.LittleEndian.AppendUint64(b, uint64(s.id))
			b = binary.LittleEndian.AppendUint64(b, uint64(s.remote))
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc(b))
}

// write makes the file anew (CheckPointReplicationOrigin). It may be called beside those who change origins.
func (o *Origins) write(content []byte) error {
	if o.limit == 0 {
		return nil
	}
	return writeDurably(o.fsys, o.path, content, o.perm)
}

// read reads the file; it is no error that there is none (StartupReplicationOrigin).
func (o *Origins) read() error {
	if o.limit == 0 {
		return nil
	}
	b, err := readPrefix(o.fsys, o.path, maxOriginsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	end := len(b) - 4
	if end < 4 || (end-4)%originSize != 0 || binary.LittleEndian.Uint32(b) != originsMagic {
		return fmt.Errorf("%s: not the progress of replication origins", o.path)
	}
	if binary.LittleEndian.Uint32(b[end:]) != crc(b[:end]) {
		return fmt.Errorf("%s: the CRC does not match", o.path)
	}
	for b := b[4:end]; len(b) > 0; b = b[originSize:] {
		s := originState{binary.LittleEndian.Uint16(b), xlog.LSN(binary.LittleEndian.Uint64(b[8:]))}
		o.states = append(o.states, s)
	}
	return nil
}
