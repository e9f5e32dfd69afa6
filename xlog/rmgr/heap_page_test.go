// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// The tests here compare what payloads of Heap and Heap2 say with pages as they are after the record. Under
// wal_consistency_checking records carry them.

// TestHeapPages compares on real servers of every version.
func TestHeapPages(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		load := walload.Run(t, walload.Options{Major: major, Parts: []string{"heap"},
			Settings: map[string]string{"wal_consistency_checking": "heap,heap2"}})
		c := newPageCheck(t, load.Dialect)
		records(t, load, c.record)
		kinds := []string{"new tuple", "old tuple", "update", "update with the old's bytes", "lock", "in place",
			"tuple of many", "redirected", "dead", "unused", "frozen"}
		c.report(kinds...)
	})
}

// TestHeapPagesOfGreenplum compares the recorded coordinator that ran so.
func TestHeapPagesOfGreenplum(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		if set.Name != "gp7dev-consistency" {
			continue
		}
		c := newPageCheck(t, set.Dialect)
		r := xlog.NewReader(set.Config(t, set.Begin))
		for {
			rec, err := r.Next()
			if err != nil {
				require.ErrorIs(t, err, xlog.ErrZeroed)
				break
			}
			c.record(rec)
		}
		c.report("new tuple", "old tuple", "update", "update with the old's bytes", "lock", "in place", "dead", "unused")
	}
}

// pageCheck counts what was compared, by what it is.
type pageCheck struct {
	t      *testing.T
	dec    *Decoder
	counts map[string]int
	rec    *xlog.Record
}

func newPageCheck(t *testing.T, d *xlog.Dialect) *pageCheck {
	return &pageCheck{t: t, dec: NewDecoder(d), counts: map[string]int{}}
}

func (c *pageCheck) report(kinds ...string) {
	for _, kind := range kinds {
		require.NotZero(c.t, c.counts[kind], "%s: %v", kind, c.counts)
	}
	for _, kind := range slices.Sorted(maps.Keys(c.counts)) {
		c.t.Logf("%-28s %7d equal to the page's", kind, c.counts[kind])
	}
}

// equal compares a value of the payload with the page's.
func (c *pageCheck) equal(kind string, have, want any) {
	if fmt.Sprint(have) != fmt.Sprint(want) {
		c.t.Fatalf("%s at %s: %s is %v, on the page %v", c.dec.Name(c.rec.Rmgr, c.rec.Info), c.rec.LSN, kind, have, want)
	}
	c.counts[kind]++
}

// page is the page of a block reference after the record; nil when the record does not have it.
func (c *pageCheck) page(id uint8) heapPage {
	b := c.dec.Body().Block(id)
	if b == nil || !b.HasImage() || b.Image.Compression != xlog.NotCompressed {
		return nil
	}
	img := &b.Image
	hole := make([]byte, img.HoleLength)
	return slices.Concat(img.Data[:img.HoleOffset], hole, img.Data[img.HoleOffset:])
}

func (c *pageCheck) record(rec *xlog.Record) {
	if rec.Rmgr != Heap && rec.Rmgr != Heap2 {
		return
	}
	payload, err := c.dec.Decode(rec)
	require.NoError(c.t, err)
	c.rec = rec
	switch p := payload.(type) {
	case *HeapInsert:
		c.tuple("new tuple", c.page(0), p.Offset, p.Tuple, 0, 0)
	case *HeapMultiInsert:
		c.multiInsert(p)
	case *HeapUpdate:
		c.update(p)
	case *HeapDelete:
		c.xmax("old tuple", c.page(0), p.Offset, p.Xmax)
	case *HeapLock:
		c.xmax("lock", c.page(0), p.Offset, p.Xmax)
	case *HeapLockUpdated:
		c.xmax("lock", c.page(0), p.Offset, p.Xmax)
	case *HeapInplace:
		if page := c.page(0); page != nil && len(p.Data) > 0 {
			t := page.tuple(p.Offset)
			c.equal("in place", p.Data, t[t[22]:])
		}
	case *HeapPrune:
		c.pointers(p.Redirected, p.Dead, p.Unused)
	case *HeapVacuum:
		c.pointers(nil, nil, p.Unused)
	case *HeapPruneFreeze:
		c.pointers(p.Redirected, p.Dead, p.Unused)
		c.plans(p.Plans)
	case *HeapFreezePage:
		c.plans(p.Plans)
		for i := range p.Tuples.Len() {
			f := p.Tuples.At(i)
			c.frozen(f.Offset, f.Xmax, f.Infomask2, f.Infomask)
		}
	}
}

// tuple compares a tuple, of which the first bytes of the columns and the last ones are not in the record.
func (c *pageCheck) tuple(kind string, page heapPage, offset uint16, tuple HeapTuple, prefix, suffix uint16) {
	if page == nil || tuple.Hoff == 0 {
		return
	}
	t := page.tuple(offset)
	bitmap := int(tuple.Hoff) - 23
	have := slices.Concat(tuple.Data[:bitmap], t[tuple.Hoff:int(tuple.Hoff)+int(prefix)], tuple.Data[bitmap:],
		t[len(t)-int(suffix):])
	c.equal(kind, have, t[23:])
	c.equal(kind+"'s header", []uint16{tuple.Infomask2, tuple.Infomask, uint16(tuple.Hoff)},
		[]uint16{binary.LittleEndian.Uint16(t[18:]), binary.LittleEndian.Uint16(t[20:]), uint16(t[22])})
}

func (c *pageCheck) xmax(kind string, page heapPage, offset uint16, xmax uint32) {
	if page != nil {
		c.equal(kind, xmax, binary.LittleEndian.Uint32(page.tuple(offset)[4:]))
	}
}

func (c *pageCheck) update(p *HeapUpdate) {
	kind := "update"
	if p.Prefix+p.Suffix > 0 {
		kind = "update with the old's bytes"
	}
	c.tuple(kind, c.page(0), p.NewOffset, p.New, p.Prefix, p.Suffix)
	c.xmax("new xmax", c.page(0), p.NewOffset, p.NewXmax)
	old := c.page(0)
	if c.dec.Body().Block(1) != nil {
		old = c.page(1)
	}
	c.xmax("old tuple", old, p.OldOffset, p.OldXmax)
}

func (c *pageCheck) multiInsert(p *HeapMultiInsert) {
	n, tuples := 0, p.Tuples
	for tuple, ok := tuples.Next(); ok; tuple, ok = tuples.Next() {
		offset := uint16(n + 1)
		if !p.Init {
			offset = p.Offsets.At(n)
		}
		c.tuple("tuple of many", c.page(0), offset, tuple, 0, 0)
		n++
	}
	if p.HasData {
		c.equal("number of many", n, p.N)
	}
}

// pointers compares line pointers of block 0.
func (c *pageCheck) pointers(redirected Redirects, dead, unused Uint16s) {
	page := c.page(0)
	if page == nil {
		return
	}
	const isUnused, isRedirect, isDead = 0, 2, 3
	for i := range redirected.Len() {
		r := redirected.At(i)
		at, flags, _ := page.pointer(r.From)
		c.equal("redirected", []uint16{isRedirect, r.To}, []uint16{flags, at})
	}
	for i := range dead.Len() {
		_, flags, _ := page.pointer(dead.At(i))
		c.equal("dead", isDead, flags)
	}
	for i := range unused.Len() {
		if int(unused.At(i)) > page.pointers() {
			continue // cut off
		}
		_, flags, _ := page.pointer(unused.At(i))
		c.equal("unused", isUnused, flags)
	}
}

func (c *pageCheck) plans(plans FreezePlans) {
	plans.Each(func(p FreezePlan) {
		for i := range p.Offsets.Len() {
			c.frozen(p.Offsets.At(i), p.Xmax, p.Infomask2, p.Infomask)
		}
	})
}

func (c *pageCheck) frozen(offset uint16, xmax uint32, infomask2, infomask uint16) {
	if page := c.page(0); page != nil {
		t := page.tuple(offset)
		c.equal("frozen", []any{xmax, infomask2, infomask}, []any{binary.LittleEndian.Uint32(t[4:]),
			binary.LittleEndian.Uint16(t[18:]), binary.LittleEndian.Uint16(t[20:])})
	}
}

// heapPage is a page of a table (src/include/storage/bufpage.h).
type heapPage []byte

// pointer takes a line pointer apart: offset of 15 bits, flags of 2, length of 15.
func (p heapPage) pointer(offset uint16) (at, flags, n uint16) {
	v := binary.LittleEndian.Uint32(p[24+4*(int(offset)-1):])
	return uint16(v & 0x7FFF), uint16(v >> 15 & 3), uint16(v >> 17)
}

// pointers is the number of line pointers.
func (p heapPage) pointers() int { return (int(binary.LittleEndian.Uint16(p[12:])) - 24) / 4 }

func (p heapPage) tuple(offset uint16) []byte {
	at, _, n := p.pointer(offset)
	return bytes.Clone(p[at : at+n])
}
