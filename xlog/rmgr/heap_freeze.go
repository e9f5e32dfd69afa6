// SPDX-License-Identifier: Apache-2.0

package rmgr

import "encoding/binary"

// FreezePlan is xlhp_freeze_plan, called xl_heap_freeze_plan in 16: what some tuples of a page are frozen to.
//
//	xmax u32, t_infomask2 u16, t_infomask u16, frzflags u8, pad, ntuples u16
type FreezePlan struct {
	Xmax                uint32
	Infomask2, Infomask uint16
	Flags               uint8   // XLH_FREEZE_XVAC 2, XLH_INVALID_XVAC 4
	Offsets             Uint16s // of the tuples
}

// The sizes of a plan, and of what there was for each tuple before 16.
const (
	freezePlanSize  = 12
	freezeTupleSize = 12
)

// FreezePlans is an array of plans in a record.
type FreezePlans struct {
	plans   []byte
	offsets Uint16s // of all tuples, plan by plan
}

// Len is the number of plans.
func (a FreezePlans) Len() int { return len(a.plans) / freezePlanSize }

// ntuples is the number of tuples of plan i.
func (a FreezePlans) ntuples(i int) int {
	return int(binary.LittleEndian.Uint16(a.plans[i*freezePlanSize+10:]))
}

// decodeOffsets reads the offsets of the tuples of all plans.
func (a *FreezePlans) decodeOffsets(in *input) {
	n := 0
	for i := range a.Len() {
		n += a.ntuples(i)
	}
	a.offsets = in.u16s(int64(n))
}

// Each calls f with each plan in turn.
func (a FreezePlans) Each(f func(FreezePlan)) {
	rest := a.offsets
	for i := range a.Len() {
		b, n := a.plans[i*freezePlanSize:], 2*min(a.ntuples(i), rest.Len())
		f(FreezePlan{
			Xmax:      binary.LittleEndian.Uint32(b),
			Infomask2: binary.LittleEndian.Uint16(b[4:]), Infomask: binary.LittleEndian.Uint16(b[6:]),
			Flags: b[8], Offsets: rest[:n],
		})
		rest = rest[n:]
	}
}

// appendFreezePlans is array_desc with plan_elem_desc of heapdesc.c.
func appendFreezePlans(dst []byte, label string, plans FreezePlans) []byte {
	dst = append(append(dst, label...), " ["...)
	n := len(dst)
	plans.Each(func(p FreezePlan) {
		if len(dst) > n {
			dst = append(dst, ", "...)
		}
		dst = appendUint(dst, "{ xmax: ", p.Xmax)
		dst = appendUint(dst, ", infomask: ", p.Infomask)
		dst = appendUint(dst, ", infomask2: ", p.Infomask2)
		dst = appendInt(dst, ", ntuples: ", p.Offsets.Len())
		dst = append(appendOffsets(dst, ", offsets:", p.Offsets), " }"...)
	})
	return append(dst, ']')
}

// FreezeTuple is xl_heap_freeze_tuple, up to 15: what a tuple is frozen to.
//
//	xmax u32, offset u16, t_infomask2 u16, t_infomask u16, frzflags u8, pad
type FreezeTuple struct {
	Xmax                uint32
	Offset              uint16
	Infomask2, Infomask uint16
	Flags               uint8
}

// FreezeTuples is an array of tuples to freeze in a record.
type FreezeTuples []byte

// Len is the number of tuples.
func (a FreezeTuples) Len() int { return len(a) / freezeTupleSize }

// At is tuple i.
func (a FreezeTuples) At(i int) FreezeTuple {
	b := a[i*freezeTupleSize : (i+1)*freezeTupleSize]
	return FreezeTuple{
		Xmax: binary.LittleEndian.Uint32(b), Offset: binary.LittleEndian.Uint16(b[4:]),
		Infomask2: binary.LittleEndian.Uint16(b[6:]), Infomask: binary.LittleEndian.Uint16(b[8:]), Flags: b[10],
	}
}

// HeapFreezePage is xl_heap_freeze_page, up to 16: tuples of a page, block 0, were frozen.
//
//	cutoff_xid u32, ntuples u16
//	block 0: tuples * ntuples
//
// and in 16:
//
//	snapshotConflictHorizon u32, nplans u16, isCatalogRel u8
//	block 0: plans * nplans, then offsets u16, for each plan as many as it says
type HeapFreezePage struct {
	Horizon      uint32 // queries on a standby that are older are in the way
	N            uint16 // tuples, or plans in 16
	IsCatalogRel bool
	HasData      bool // what follows is there; otherwise the page's image shows it
	Tuples       FreezeTuples
	Plans        FreezePlans // in 16, in the place of Tuples
}

func (p *HeapFreezePage) decode(in *input) {
	*p = HeapFreezePage{Horizon: in.u32(), N: in.u16()}
	if in.HeapCatalogFlag() {
		p.IsCatalogRel = in.bool()
	}
	data := in.block(0)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	if in.HeapFreezePlans() {
		p.Plans.plans = data.array(int64(p.N), freezePlanSize)
		p.Plans.decodeOffsets(&data)
	} else {
		p.Tuples = data.array(int64(p.N), freezeTupleSize)
	}
	in.check(&data)
}

// Describe implements Payload.
func (p *HeapFreezePage) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.HeapTextFull() {
		return appendUint(appendUint(dst, "cutoff xid ", p.Horizon), " ntuples ", p.N)
	}
	dst = appendUint(dst, "snapshotConflictHorizon: ", p.Horizon)
	dst = appendUint(dst, ", nplans: ", p.N)
	if p.HasData {
		dst = appendFreezePlans(dst, ", plans:", p.Plans)
	}
	return dst
}
