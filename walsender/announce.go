// SPDX-License-Identifier: Apache-2.0

package walsender

import "sync"

// Announcer holds a Position and wakes those who wait for another one. Sources embed it.
type Announcer struct {
	mu      sync.Mutex
	pos     Position
	changed chan struct{} // nil: nobody waits
}

// Position implements Source.
func (a *Announcer) Position() Position {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pos
}

// Changed implements Source.
func (a *Announcer) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	return a.changed
}

// Announce sets the Position.
func (a *Announcer) Announce(pos Position) { a.Update(func(p *Position) { *p = pos }) }

// Update changes the Position in place. f is called with a lock held.
func (a *Announcer) Update(f func(*Position)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.pos)
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}
