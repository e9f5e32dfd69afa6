// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// invalidPages are the blocks that records referred to and that did not exist or were not initialized: legal only when
// their relation is dropped or truncated later (src/backend/access/transam/xlogutils.c).
type invalidPages struct {
	pages map[pageKey]bool // true: the block is there, but never initialized
	final bool             // consistency was reached, nothing that happened later can be the reason
}

type pageKey struct {
	rel   xlog.RelFileLocator
	fork  xlog.ForkNumber
	block uint32
}

func (k pageKey) describe(present bool) string {
	if present {
		return fmt.Sprintf("page %d of relation %s, fork %s, is uninitialized", k.block, k.rel, k.fork)
	}
	return fmt.Sprintf("page %d of relation %s, fork %s, does not exist", k.block, k.rel, k.fork)
}

// log remembers a block; once consistency is reached that is an error.
func (p *invalidPages) log(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32, present bool) error {
	k := pageKey{rel, fork, block}
	if p.final {
		return fmt.Errorf("%w: %s", ErrInvalidPages, k.describe(present))
	}
	if p.pages == nil {
		p.pages = map[pageKey]bool{}
	}
	if _, known := p.pages[k]; !known {
		p.pages[k] = present
	}
	return nil
}

// forget is called when the blocks of a fork were cut off from block from on.
func (p *invalidPages) forget(rel xlog.RelFileLocator, fork xlog.ForkNumber, from uint32) {
	for k := range p.pages {
		if k.rel == rel && k.fork == fork && k.block >= from {
			delete(p.pages, k)
		}
	}
}

// forgetRelation is called when a relation was dropped.
func (p *invalidPages) forgetRelation(rel xlog.RelFileLocator) {
	for k := range p.pages {
		if k.rel == rel {
			delete(p.pages, k)
		}
	}
}

// forgetDatabase is called when a database was dropped.
func (p *invalidPages) forgetDatabase(oid uint32) {
	for k := range p.pages {
		if k.rel.Database == oid {
			delete(p.pages, k)
		}
	}
}

// any tells whether there are such blocks.
func (p *invalidPages) any() bool { return len(p.pages) > 0 }

// check is called where the directory becomes consistent: nothing may be left.
func (p *invalidPages) check() error {
	for k, present := range p.pages {
		return fmt.Errorf("%w: %s, and %d more", ErrInvalidPages, k.describe(present), len(p.pages)-1)
	}
	p.final = true
	return nil
}
