// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// storage redoes records of Storage (smgr_redo in src/backend/catalog/storage.c).
func (r *Redo) storage(p rmgr.Payload) error {
	switch p := p.(type) {
	case *rmgr.StorageCreate:
		return r.store.Create(p.Relation, p.Fork)
	case *rmgr.StorageTruncate:
		return r.storageTruncate(p)
	}
	return unknown(p)
}

// storageTruncate cuts a relation, and its maps to what is left of it. A relation that is not there was dropped later
// in the log, and is made.
func (r *Redo) storageTruncate(p *rmgr.StorageTruncate) error {
	if err := r.store.Create(p.Relation, xlog.MainFork); err != nil {
		return err
	}
	if p.Flags&rmgr.StorageTruncateHeap != 0 {
		r.invalid.forget(p.Relation, xlog.MainFork, p.Block)
		if err := r.store.Truncate(p.Relation, xlog.MainFork, p.Block); err != nil {
			return err
		}
	}
	if p.Flags&rmgr.StorageTruncateVM != 0 {
		if err := r.cutVisible(p.Relation, p.Block); err != nil {
			return err
		}
	}
	if p.Flags&rmgr.StorageTruncateFSM != 0 {
		return r.cutFreeSpace(p.Relation, p.Block)
	}
	return nil
}

func (r *Redo) cutVisible(rel xlog.RelFileLocator, blocks uint32) error {
	n, truncate, err := r.truncateVisible(rel, blocks)
	if err != nil || !truncate {
		return err
	}
	return r.store.Truncate(rel, xlog.VisibilityMapFork, n)
}

func (r *Redo) cutFreeSpace(rel xlog.RelFileLocator, blocks uint32) error {
	n, truncate, err := r.truncateFreeSpace(rel, blocks)
	if err != nil || !truncate {
		return err
	}
	if err := r.store.Truncate(rel, xlog.FSMFork, n); err != nil {
		return err
	}
	return r.vacuumFreeSpace(rel, blocks)
}
