// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// ErrInconsistent says that a page after redo is not as it was on the primary.
var ErrInconsistent = errors.New("inconsistent page")

// consistencyCheck compares pages after redo with the images that records have of them where the primary's
// wal_consistency_checking is on (verifyBackupPageConsistency in src/backend/access/transam/xlogrecovery.c).
type consistencyCheck struct {
	on       bool
	compared uint64
	replayed bufpage.Page // masked copies
	primary  bufpage.Page
}

// CheckConsistency has every record that carries images for comparison checked after its redo, or not. A page that is
// not as the primary's ends redo with an ErrInconsistent.
func (r *Redo) CheckConsistency(on bool) { r.check.on = on }

// Compared is the number of pages that were compared, and found equal.
func (r *Redo) Compared() uint64 { return r.check.compared }

// checkConsistency checks the record that was redone last.
func (r *Redo) checkConsistency() error {
	if !r.check.on || r.rec.Info&xlog.XLRCheckConsistency == 0 {
		return nil
	}
	for i := range r.body.Blocks {
		if ref := &r.body.Blocks[i]; ref.HasImage() && !ref.Image.Apply {
			if err := r.checkBlock(ref); err != nil {
				return fmt.Errorf("block %d: %w", ref.ID, err)
			}
		}
	}
	return nil
}

// checkBlock compares a page. One that does not exist, or was changed by a later record, is not looked at.
func (r *Redo) checkBlock(ref *xlog.BlockRef) error {
	n, err := r.store.Blocks(ref.Rel, ref.Fork)
	if err != nil || ref.Block >= n {
		return err
	}
	buf, err := r.store.Read(ref.Rel, ref.Fork, ref.Block)
	if err != nil || buf.Page.IsNew() || buf.Page.LSN() > r.lsn {
		return err
	}
	c := &r.check
	c.replayed = append(c.replayed[:0], buf.Page...)
	c.primary = append(c.primary[:0], buf.Page...) // for its length
	if err := bufpage.RestoreImage(c.primary, &ref.Image); err != nil {
		return err
	}
	if err := r.maskBoth(ref.Block); err != nil {
		return r.pageError(buf, err)
	}
	if at := firstDifference(c.replayed, c.primary); at >= 0 {
		return r.inconsistent(buf, at)
	}
	c.compared++
	return nil
}

func (r *Redo) maskBoth(block uint32) error {
	if err := mask(r.dialect, r.rec.Rmgr, r.check.replayed, block); err != nil {
		return err
	}
	if err := mask(r.dialect, r.rec.Rmgr, r.check.primary, block); err != nil {
		return fmt.Errorf("the record's image: %w", err)
	}
	return nil
}

// inconsistent says what a page has and what it should have, from a byte on.
func (r *Redo) inconsistent(buf *pgdata.Buffer, at int) error {
	const shown = 16
	end := min(at+shown, len(buf.Page))
	return r.pageError(buf, fmt.Errorf("%w: at byte %d it has %x, the primary's %x", ErrInconsistent, at,
		r.check.replayed[at:end], r.check.primary[at:end]))
}

// firstDifference is where two pages begin to differ, -1 when they do not.
func firstDifference(a, b bufpage.Page) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
