// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// GinMetadata is GinMetaPageData: the metapage of an index.
//
//	head u32, tail u32, tailFreeSize u32, nPendingPages u32, nPendingHeapTuples i64, nTotalPages u32, nEntryPages u32,
//	nDataPages u32, pad 4, nEntries i64, ginVersion i32, pad 4
type GinMetadata struct {
	Head, Tail        uint32 // of the pending list
	TailFree          uint32 // bytes
	PendingPages      uint32
	PendingHeapTuples int64
	TotalPages        uint32
	EntryPages        uint32
	DataPages         uint32
	Entries           int64
	Version           int32

	// Raw is the whole struct as it stands in the page.
	Raw []byte
}

const ginMetadataSize = 56

// ginMetadata reads the struct, which is aligned to 8 bytes.
func (in *input) ginMetadata() (m GinMetadata) {
	in.align(8)
	data := *in
	m.Raw = in.bytes(ginMetadataSize)
	m.Head, m.Tail, m.TailFree, m.PendingPages = data.u32(), data.u32(), data.u32(), data.u32()
	m.PendingHeapTuples = data.i64()
	m.TotalPages, m.EntryPages, m.DataPages = data.u32(), data.u32(), data.u32()
	data.align(8)
	m.Entries, m.Version = data.i64(), data.i32()
	return m
}

// GinUpdateMeta is ginxlogUpdateMeta: the metapage, block 0, is written anew. Block 1, where there is one, is the page
// that was the last of the pending list: it gets tuples, or a link to pages that were added.
//
//	relation, pad to 8, GinMetaPageData, prevTail u32, newRightlink u32, ntuples i32, pad 4
//	block 1: tuples
type GinUpdateMeta struct {
	noText
	Relation  xlog.RelFileLocator
	Metadata  GinMetadata
	PrevTail  uint32 // block 1 that gets a link, or 0xFFFFFFFF
	RightLink uint32 // the link
	NTuples   int32
	HasData   bool // Tuples are there; otherwise there are none, or the page's image shows them
	Tuples    IndexTuples
}

func (p *GinUpdateMeta) decode(in *input) {
	*p = GinUpdateMeta{Relation: in.relation(), Metadata: in.ginMetadata(), PrevTail: in.u32(), RightLink: in.u32(),
		NTuples: in.i32()}
	in.align(8)
	data := in.block(1)
	if p.HasData = data.left() > 0; p.HasData {
		p.Tuples = data.countedTuples(int64(p.NTuples))
		in.check(&data)
	}
}

// GinInsertListPage is ginxlogInsertListPage: a new page of the pending list, block 0.
//
//	rightlink u32, ntuples i32
//	block 0: tuples
type GinInsertListPage struct {
	noText
	RightLink uint32 // 0xFFFFFFFF for the last page
	Tuples    IndexTuples
}

func (p *GinInsertListPage) decode(in *input) {
	p.RightLink = in.u32()
	data := in.block(0)
	p.Tuples = data.countedTuples(int64(in.i32()))
	in.check(&data)
}

// GinDeleteListPages is ginxlogDeleteListPages: the first pages of the pending list were freed, blocks 1 to ndeleted.
// Block 0 is the metapage, which is written anew.
//
//	GinMetaPageData, ndeleted i32, pad 4
type GinDeleteListPages struct {
	Metadata GinMetadata
	NDeleted int32
}

func (p *GinDeleteListPages) decode(in *input) {
	p.Metadata, p.NDeleted = in.ginMetadata(), in.i32()
	in.align(8)
}

// Describe implements Payload.
func (p *GinDeleteListPages) Describe(dst []byte, _ *Printing) []byte {
	return appendInt(dst, "ndeleted: ", p.NDeleted)
}
