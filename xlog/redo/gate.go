// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"context"
	"sync"
	"sync/atomic"
)

// Gate pauses a replay and lets it go on (pg_wal_replay_pause and pg_wal_replay_resume), and ends its delays. The zero Gate
// is open. Its methods may be called from any goroutine.
type Gate struct {
	closed atomic.Bool
	mu     sync.Mutex
	open   chan struct{} // closed by Resume; nil while the gate is open
	hurry  chan struct{} // closed by Hurry; nil: nobody has looked yet
	gone   bool          // hurry is closed
}

// Pause stops replay before the next record.
func (g *Gate) Pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil && !g.gone {
		g.open = make(chan struct{})
		g.closed.Store(true)
	}
}

// Resume lets replay go on.
func (g *Gate) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
		g.closed.Store(false)
	}
}

// Hurry lets replay go on without any pause or delay from now on, as the order to promote does.
func (g *Gate) Hurry() {
	g.Resume()
	hurry := g.hurried()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gone {
		g.gone = true
		close(hurry)
	}
}

// hurried is closed by Hurry. That of a nil Gate never is.
func (g *Gate) hurried() chan struct{} {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hurry == nil {
		g.hurry = make(chan struct{})
	}
	return g.hurry
}

// Paused tells whether replay is to pause.
func (g *Gate) Paused() bool { return g != nil && g.closed.Load() }

// pass waits until the gate is open. A nil Gate always is.
func (g *Gate) pass(ctx context.Context) error {
	for g.Paused() {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
