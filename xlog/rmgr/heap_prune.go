// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

// Redirect is a line pointer that now points to another.
type Redirect struct {
	From, To uint16
}

// Redirects is an array of redirections in a record.
type Redirects []byte

// Len is the number of redirections.
func (a Redirects) Len() int { return len(a) / 4 }

// At is redirection i.
func (a Redirects) At(i int) Redirect {
	return Redirect{binary.LittleEndian.Uint16(a[4*i:]), binary.LittleEndian.Uint16(a[4*i+2:])}
}

func appendRedirects(dst []byte, label string, redirects Redirects) []byte {
	return appendArray(dst, label, redirects.Len(), func(dst []byte, i int) []byte {
		r := redirects.At(i)
		return appendUint(appendUint(dst, "", r.From), "->", r.To)
	})
}

// HeapPrune is xl_heap_prune up to 16, called xl_heap_clean up to 13: line pointers of a page were redirected, marked
// dead or freed. Block 0 is the page.
//
//	latestRemovedXid u32, nredirected u16, ndead u16 [, isCatalogRel u8 from 16 on]
//	block 0: {from u16, to u16} * nredirected, dead u16 * ndead, unused u16 * the rest
type HeapPrune struct {
	Horizon      uint32 // newest transaction of which something was removed
	NRedirected  uint16
	NDead        uint16
	IsCatalogRel bool
	HasData      bool // what follows is there; otherwise the page's image shows it
	Redirected   Redirects
	Dead, Unused Uint16s
}

func (p *HeapPrune) decode(in *input) {
	*p = HeapPrune{Horizon: in.u32(), NRedirected: in.u16(), NDead: in.u16()}
	if in.HeapCatalogFlag() {
		p.IsCatalogRel = in.bool()
	}
	data := in.block(0)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	p.Redirected = data.array(int64(p.NRedirected), 4)
	p.Dead = data.u16s(int64(p.NDead))
	p.Unused = data.u16s(int64(data.left() / 2))
	in.check(&data)
}

// Describe implements Payload.
func (p *HeapPrune) Describe(dst []byte, pr *Printing) []byte {
	if pr.Dialect.HeapCleans() {
		return appendUint(dst, "remxid ", p.Horizon)
	}
	if !pr.Dialect.HeapTextFull() {
		dst = appendUint(dst, "latestRemovedXid ", p.Horizon)
		dst = appendUint(dst, " nredirected ", p.NRedirected)
		return appendUint(dst, " ndead ", p.NDead)
	}
	dst = appendUint(dst, "snapshotConflictHorizon: ", p.Horizon)
	dst = appendUint(dst, ", nredirected: ", p.NRedirected)
	dst = appendUint(dst, ", ndead: ", p.NDead)
	if !p.HasData {
		return dst
	}
	dst = appendInt(dst, ", nunused: ", p.Unused.Len())
	dst = appendRedirects(dst, ", redirected:", p.Redirected)
	dst = appendOffsets(dst, ", dead:", p.Dead)
	return appendOffsets(dst, ", unused:", p.Unused)
}

// HeapVacuum is xl_heap_vacuum of 14 to 16: dead line pointers of a page, block 0, were freed.
//
//	nunused u16
//	block 0: unused u16 * nunused
type HeapVacuum struct {
	NUnused uint16
	HasData bool // Unused is there; otherwise the page's image shows it
	Unused  Uint16s
}

func (p *HeapVacuum) decode(in *input) {
	*p = HeapVacuum{NUnused: in.u16()}
	data := in.block(0)
	if p.HasData = data.left() > 0; p.HasData {
		p.Unused = data.u16s(int64(p.NUnused))
		in.check(&data)
	}
}

// Describe implements Payload.
func (p *HeapVacuum) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.HeapTextFull() {
		return appendUint(dst, "nunused ", p.NUnused)
	}
	dst = appendUint(dst, "nunused: ", p.NUnused)
	if p.HasData {
		dst = appendOffsets(dst, ", unused:", p.Unused)
	}
	return dst
}

// HeapCleanupInfo is xl_heap_cleanup_info of 12 and 13: what a vacuum is going to remove, so that a standby can end
// queries which would need it.
//
//	relation, latestRemovedXid u32
type HeapCleanupInfo struct {
	Relation xlog.RelFileLocator
	Horizon  uint32
}

func (p *HeapCleanupInfo) decode(in *input) { p.Relation, p.Horizon = in.relation(), in.u32() }

// Describe implements Payload.
func (p *HeapCleanupInfo) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(dst, "remxid ", p.Horizon)
}

// Bits of HeapPruneFreeze.Flags (XLHP_*).
const (
	PruneIsCatalogRel       uint8 = 1 << 1
	PruneCleanupLock        uint8 = 1 << 2 // redo must be alone on the page
	PruneHasConflictHorizon uint8 = 1 << 3
	PruneHasFreezePlans     uint8 = 1 << 4
	PruneHasRedirections    uint8 = 1 << 5
	PruneHasDeadItems       uint8 = 1 << 6
	PruneHasNowUnusedItems  uint8 = 1 << 7
)

// HeapPruneFreeze is xl_heap_prune from 17 on: a page, block 0, was pruned, or tuples of it frozen.
//
//	reason u8, flags u8 [, snapshot conflict horizon u32]
//	block 0, by the flags:
//	nplans u16, pad 2, plans * nplans
//	nredirected u16, {from u16, to u16} * nredirected
//	ndead u16, dead u16 * ndead
//	nunused u16, unused u16 * nunused
//	offsets u16, for each plan as many as it says
type HeapPruneFreeze struct {
	Reason       uint8
	Flags        uint8
	Horizon      uint32 // when the flags say so
	HasData      bool   // what follows is there; otherwise the page's image shows it
	Plans        FreezePlans
	Redirected   Redirects
	Dead, Unused Uint16s
}

func (p *HeapPruneFreeze) decode(in *input) {
	*p = HeapPruneFreeze{Reason: in.u8(), Flags: in.u8()}
	if p.Flags&PruneHasConflictHorizon != 0 {
		p.Horizon = in.u32()
	}
	data := in.block(0)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	if p.Flags&PruneHasFreezePlans != 0 {
		n := data.u16()
		data.skip(2)
		p.Plans.plans = data.array(int64(n), freezePlanSize)
	}
	if p.Flags&PruneHasRedirections != 0 {
		p.Redirected = data.array(int64(data.u16()), 4)
	}
	if p.Flags&PruneHasDeadItems != 0 {
		p.Dead = data.u16s(int64(data.u16()))
	}
	if p.Flags&PruneHasNowUnusedItems != 0 {
		p.Unused = data.u16s(int64(data.u16()))
	}
	p.Plans.decodeOffsets(&data)
	in.check(&data)
}

// Describe implements Payload.
func (p *HeapPruneFreeze) Describe(dst []byte, _ *Printing) []byte {
	if p.Flags&PruneHasConflictHorizon != 0 {
		dst = appendUint(dst, "snapshotConflictHorizon: ", p.Horizon)
	}
	dst = appendTrue(dst, ", isCatalogRel: ", p.Flags&PruneIsCatalogRel != 0)
	if !p.HasData {
		return dst
	}
	dst = appendInt(dst, ", nplans: ", p.Plans.Len())
	dst = appendInt(dst, ", nredirected: ", p.Redirected.Len())
	dst = appendInt(dst, ", ndead: ", p.Dead.Len())
	dst = appendInt(dst, ", nunused: ", p.Unused.Len())
	if p.Plans.Len() > 0 {
		dst = appendFreezePlans(dst, ", plans:", p.Plans)
	}
	if p.Redirected.Len() > 0 {
		dst = appendRedirects(dst, ", redirected:", p.Redirected)
	}
	if p.Dead.Len() > 0 {
		dst = appendOffsets(dst, ", dead:", p.Dead)
	}
	if p.Unused.Len() > 0 {
		dst = appendOffsets(dst, ", unused:", p.Unused)
	}
	return dst
}

// appendTrue appends the label and T or F.
func appendTrue(dst []byte, label string, v bool) []byte {
	if v {
		return append(append(dst, label...), 'T')
	}
	return append(append(dst, label...), 'F')
}
