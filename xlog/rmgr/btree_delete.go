// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// BtreeUpdate is xl_btree_update: a posting list loses some of its item pointers.
type BtreeUpdate struct {
	Offset  uint16  // of the tuple on its page
	Deleted Uint16s // indexes of the item pointers, from 0 on
}

// BtreeUpdates is a number of them.
type BtreeUpdates struct {
	offsets Uint16s
	lists   []byte // for each offset {ndeletedtids u16, index u16 * ndeletedtids}
}

// Len is the number of updates.
func (u BtreeUpdates) Len() int { return u.offsets.Len() }

// Next cuts the first update off. There must be one.
func (u BtreeUpdates) Next() (first BtreeUpdate, rest BtreeUpdates) {
	n := 2 + 2*int(Uint16s(u.lists).At(0))
	return BtreeUpdate{u.offsets.At(0), Uint16s(u.lists[2:n])}, BtreeUpdates{u.offsets[2:], u.lists[n:]}
}

// BtreeDeletion is what BtreeVacuum and BtreeDelete have in common: tuples that go, and posting lists that are
// shortened.
//
//	block 0: deleted u16 * ndeleted, updated u16 * nupdated, {ndeletedtids u16, index u16 * ndeletedtids} * nupdated
type BtreeDeletion struct {
	NDeleted, NUpdated uint32
	HasData            bool // what follows is there; otherwise the page's image shows it
	Deleted            Uint16s
	Updated            BtreeUpdates
}

// decodeData reads the data of block 0.
func (p *BtreeDeletion) decodeData(in *input) {
	data := in.block(0)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	p.Deleted, p.Updated.offsets = data.u16s(int64(p.NDeleted)), data.u16s(int64(p.NUpdated))
	start := data.off
	for range p.Updated.offsets.Len() {
		data.u16s(int64(data.u16()))
	}
	p.Updated.lists = data.main[start:data.off]
	in.check(&data)
}

// describeData is delvacuum_desc.
func (p *BtreeDeletion) describeData(dst []byte) []byte {
	if !p.HasData {
		return dst
	}
	dst = append(appendOffsets(dst, ", deleted:", p.Deleted), ", updated: ["...)
	for rest := p.Updated; rest.Len() > 0; {
		var u BtreeUpdate
		u, rest = rest.Next()
		dst = appendUint(dst, "{ off: ", u.Offset)
		dst = appendInt(dst, ", nptids: ", u.Deleted.Len())
		dst = append(appendOffsets(dst, ", ptids:", u.Deleted), " }"...)
		dst = appendFlag(dst, rest.Len() > 0, ", ")
	}
	return append(dst, ']')
}

// BtreeVacuum is xl_btree_vacuum: vacuum removed tuples of a leaf page, block 0.
//
//	lastBlockVacuumed u32; block 0: deleted u16 * the rest    in 12
//	ndeleted u16, nupdated u16                                from 13 on; for block 0 see BtreeDeletion
type BtreeVacuum struct {
	LastBlockVacuumed uint32 // in 12: redo must have been alone on each page behind this one, up to block 0
	BtreeDeletion
}

func (p *BtreeVacuum) decode(in *input) {
	*p = BtreeVacuum{}
	if in.BtreePostings() {
		p.NDeleted, p.NUpdated = uint32(in.u16()), uint32(in.u16())
		p.decodeData(in)
		return
	}
	p.LastBlockVacuumed = in.u32()
	data := in.block(0)
	p.Deleted = data.u16s(int64(data.left() / 2))
	p.HasData, p.NDeleted = p.Deleted.Len() > 0, uint32(p.Deleted.Len())
}

// Describe implements Payload.
func (p *BtreeVacuum) Describe(dst []byte, pr *Printing) []byte {
	switch d := pr.Dialect; {
	case !d.BtreePostings():
		return appendUint(dst, "lastBlockVacuumed ", p.LastBlockVacuumed)
	case !d.BtreeTextFull():
		return appendUint(appendUint(dst, "ndeleted ", p.NDeleted), "; nupdated ", p.NUpdated)
	}
	dst = appendUint(appendUint(dst, "ndeleted: ", p.NDeleted), ", nupdated: ", p.NUpdated)
	return p.describeData(dst)
}

// BtreeDelete is xl_btree_delete: tuples of a leaf page, block 0, were removed without a vacuum.
//
//	latestRemovedXid u32, nitems i32, deleted u16 * nitems                        in 12
//	latestRemovedXid u32, ndeleted u32; block 0: deleted u16 * ndeleted           in 13
//	snapshotConflictHorizon u32, ndeleted u16, nupdated u16 [, isCatalogRel u8]   from 14, the last from 16 on;
//	                                                                              for block 0 see BtreeDeletion
type BtreeDelete struct {
	Horizon      uint32 // newest transaction of which something was removed
	IsCatalogRel bool
	BtreeDeletion

	page *xlog.BlockRef
}

func (p *BtreeDelete) decode(in *input) {
	*p = BtreeDelete{Horizon: in.u32(), page: in.body.Block(0)}
	if !in.BtreePostings() {
		p.NDeleted = in.u32()
		p.Deleted = in.u16s(int64(int32(p.NDeleted)))
		p.HasData = p.Deleted.Len() > 0
		return
	}
	if in.BtreeDeletesPostings() {
		p.NDeleted, p.NUpdated = uint32(in.u16()), uint32(in.u16())
	} else {
		p.NDeleted = in.u32()
	}
	if in.IndexCatalogFlag() {
		p.IsCatalogRel = in.bool()
	}
	p.decodeData(in)
}

// Describe implements Payload.
func (p *BtreeDelete) Describe(dst []byte, pr *Printing) []byte {
	d := pr.Dialect
	if d.BtreeTextFull() {
		dst = appendUint(dst, "snapshotConflictHorizon: ", p.Horizon)
		dst = appendUint(dst, ", ndeleted: ", p.NDeleted)
		dst = appendUint(dst, ", nupdated: ", p.NUpdated)
		return p.describeData(pr.appendCatalog(dst, ", isCatalogRel: ", p.IsCatalogRel))
	}
	if d.BtreePostings() {
		dst = appendUint(dst, "latestRemovedXid ", p.Horizon)
		dst = appendUint(dst, "; ndeleted ", p.NDeleted)
		if d.BtreeDeletesPostings() {
			dst = appendUint(dst, "; nupdated ", p.NUpdated)
		}
		return dst
	}
	dst = appendInt(dst, "", int32(p.NDeleted))
	dst = appendUint(dst, " items, latest removed xid ", p.Horizon)
	if d.BtreeTextItems() && p.HasData && p.page != nil && !p.page.HasImage() {
		dst = append(appendInt(dst, "; page index (unend - unused = ", p.Deleted.Len()), ')')
	}
	return dst
}
