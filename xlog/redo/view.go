// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"context"
	"errors"
	"sync"

	"github.com/walmirror/walmirror/xlog/pgdata"
)

var (
	// ErrNotConsistent says that the directory cannot be looked at yet: replay has not come to where it is consistent.
	ErrNotConsistent = errors.New("replay has not reached a consistent state yet")
	// ErrClosed says that the Redo is closed.
	ErrClosed = errors.New("redo is closed")
)

// between keeps others away from pages and transactions while a record is applied, and records while others look.
type between struct {
	sync.Mutex
	closed bool
}

// lock is Lock that can be given up.
func (b *between) lock(ctx context.Context) error {
	if b.TryLock() {
		return nil
	}
	locked := make(chan struct{})
	go func() {
		b.Lock()
		close(locked)
	}()
	select {
	case <-locked:
		return nil
	case <-ctx.Done():
		go func() {
			<-locked
			b.Unlock()
		}()
		return context.Cause(ctx)
	}
}

// View runs fn between two records, while nothing is applied. It may be called from any goroutine, but not from within
// Replay, Apply or another View. There a transaction is over if and only if pg_xact says so, for redo notes the end of a
// transaction and all its subtransactions with one record: what fn reads of pages and transactions is one instant.
//
// Replay waits for fn, and so do restartpoints: fn reads what it needs, and is done with it later.
func (r *Redo) View(ctx context.Context, fn func() error) error {
	if err := r.between.lock(ctx); err != nil {
		return err
	}
	defer r.between.Unlock()
	if err := r.usable(); err != nil {
		return err
	}
	if !r.consistency.at.Valid() {
		return ErrNotConsistent
	}
	return fn()
}

// usable is nil while pages are what the log makes of them. The caller holds between.
func (r *Redo) usable() error {
	if r.between.closed {
		return ErrClosed
	}
	return r.failed
}

// Store is the pages, for one who looks at them in View.
func (r *Redo) Store() *pgdata.Store { return r.store }

// Transactions is what became of transactions, for one who looks at it in View.
func (r *Redo) Transactions() *pgdata.Transactions { return r.state }
