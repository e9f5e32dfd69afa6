// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// ErrTwoPhaseCorrupt says that a file in pg_twophase is damaged.
var ErrTwoPhaseCorrupt = errors.New("corrupt two-phase state file")

const (
	twoPhaseMagic   = 0x57F94534 // TWOPHASE_MAGIC
	maxTwoPhaseFile = 1<<30 - 1  // MaxAllocSize
	minTwoPhaseFile = 64 + 8 + 4 // the shortest header, a record's, and the CRC
)

// Prepared is the transactions that are prepared for two-phase commit, and pg_twophase, which has a file for each that
// was prepared before the last restartpoint (src/backend/access/transam/twophase.c):
//
//	what the record has, CRC-32C u32
type Prepared struct {
	fsys        vfs.FS
	dir         string
	perm        fs.FileMode
	beforeWrite func() error
	fullNames   bool

	xacts   map[uint32]preparedXact
	changed bool // files were written or removed since the directory was synced
}

type preparedXact struct {
	full    uint64   // with its epoch
	end     xlog.LSN // of its record
	content []byte   // of the record; nil when it is in a file
}

func (p *Prepared) init(cfg TransactionsConfig, perm fs.FileMode) {
	*p = Prepared{
		fsys: cfg.Dir.fsys, dir: filepath.Join(cfg.Dir.Path, "pg_twophase"), perm: perm, beforeWrite: cfg.BeforeWrite,
		fullNames: cfg.Dialect.TwoPhaseNamesFull(), xacts: map[uint32]preparedXact{},
	}
}

// Len is the number of prepared transactions.
func (p *Prepared) Len() int { return len(p.xacts) }

// XIDs lists them, in no order.
func (p *Prepared) XIDs() []uint32 { return slices.Collect(maps.Keys(p.xacts)) }

// Has tells whether a transaction is prepared.
func (p *Prepared) Has(xid uint32) bool {
	_, ok := p.xacts[xid]
	return ok
}

// Add notes a prepared transaction, of which content is the record's data and end the record's end. It does nothing
// when the transaction has a file, of a restartpoint that was not finished (PrepareRedoAdd).
func (p *Prepared) Add(full uint64, end xlog.LSN, content []byte) {
	if !p.Has(uint32(full)) {
		p.xacts[uint32(full)] = preparedXact{full: full, end: end, content: bytes.Clone(content)}
	}
}

// Remove forgets a prepared transaction that was committed or aborted, and removes its file (PrepareRedoRemove).
func (p *Prepared) Remove(xid uint32) error {
	x, ok := p.xacts[xid]
	if !ok {
		return nil
	}
	delete(p.xacts, xid)
	if x.content != nil {
		return nil
	}
	if err := p.beforeWrite(); err != nil {
		return err
	}
	return p.removeFile(p.name(x.full))
}

func (p *Prepared) removeFile(name string) error {
	p.changed = true
	return ignoreNotExist(p.fsys.Remove(filepath.Join(p.dir, name)))
}

// name is a transaction's file (TwoPhaseFilePath).
func (p *Prepared) name(full uint64) string {
	if p.fullNames {
		return fmt.Sprintf("%016X", full)
	}
	return fmt.Sprintf("%08X", uint32(full))
}

// write makes a file for each transaction whose record ended at redo or before (CheckPointTwoPhase).
func (p *Prepared) write(redo xlog.LSN) error {
	for xid, x := range p.xacts {
		if x.content == nil || x.end > redo {
			continue
		}
		p.changed = true
		content := binary.LittleEndian.AppendUint32(bytes.Clone(x.content), crc(x.content))
		if err := writeSynced(p.fsys, filepath.Join(p.dir, p.name(x.full)), os.O_TRUNC, content, p.perm); err != nil {
			return err
		}
		p.xacts[xid] = preparedXact{full: x.full}
	}
	if !p.changed {
		return nil
	}
	p.changed = false
	return p.fsys.SyncDir(p.dir)
}

// restore reads which transactions are prepared. Files of those that are over, and of those that recovery will only
// come to, are removed (restoreTwoPhaseData).
func (p *Prepared) restore(nextXID uint64, log *CommitLog) error {
	entries, err := p.fsys.ReadDir(p.dir)
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		full, ok := p.parse(e.Name(), nextXID)
		if !ok {
			continue
		}
		if err := p.restoreFile(e.Name(), full, nextXID, log); err != nil {
			return err
		}
	}
	return nil
}

// parse is the transaction that a file's name says.
func (p *Prepared) parse(name string, nextXID uint64) (full uint64, ok bool) {
	if len(name) != len(p.name(0)) || !isUpperHex(name) {
		return 0, false
	}
	full, err := strconv.ParseUint(name, 16, 64)
	if err == nil && !p.fullNames {
		full = FullXID(nextXID, uint32(full))
	}
	return full, err == nil
}

func (p *Prepared) restoreFile(name string, full, nextXID uint64, log *CommitLog) error {
	xid := uint32(full)
	status, err := log.Status(xid)
	if err != nil {
		return err
	}
	over := status == XactCommitted || status == XactAborted
	if over || !xidPrecedes(xid, uint32(nextXID)) {
		return p.removeFile(name)
	}
	if err := p.check(name, xid); err != nil {
		return err
	}
	p.xacts[xid] = preparedXact{full: full}
	return nil
}

// check reads a file and compares its CRC (ReadTwoPhaseFile).
func (p *Prepared) check(name string, xid uint32) error {
	path := filepath.Join(p.dir, name)
	b, err := readPrefix(p.fsys, path, maxTwoPhaseFile)
	if err != nil {
		return err
	}
	end := len(b) - 4
	switch {
	case len(b) < minTwoPhaseFile || end%8 != 0:
		return fmt.Errorf("%w: %s: it has %d bytes", ErrTwoPhaseCorrupt, path, len(b))
	case binary.LittleEndian.Uint32(b) != twoPhaseMagic:
		return fmt.Errorf("%w: %s: it does not begin as it should", ErrTwoPhaseCorrupt, path)
	case binary.LittleEndian.Uint32(b[4:]) != uint32(len(b)) || binary.LittleEndian.Uint32(b[8:]) != xid:
		return fmt.Errorf("%w: %s: it says that it is another's", ErrTwoPhaseCorrupt, path)
	case binary.LittleEndian.Uint32(b[end:]) != crc(b[:end]):
		return fmt.Errorf("%w: %s: the CRC does not match", ErrTwoPhaseCorrupt, path)
	}
	return nil
}

// FullXID is the transaction id with its epoch, of a transaction that is not newer than next
// (FullTransactionIdFromAllowableAt).
func FullXID(next uint64, xid uint32) uint64 {
	epoch := next >> 32
	if xid > uint32(next) && epoch > 0 {
		epoch--
	}
	return epoch<<32 | uint64(xid)
}
