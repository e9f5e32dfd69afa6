// SPDX-License-Identifier: Apache-2.0

package rmgr

// Bits of HashSplitAllocatePage.Flags.
const (
	HashSplitMetaUpdateMasks      uint8 = 1 << 0 // XLH_SPLIT_META_UPDATE_MASKS
	HashSplitMetaUpdateSplitpoint uint8 = 1 << 1 // XLH_SPLIT_META_UPDATE_SPLITPOINT
)

// HashSplitAllocatePage is xl_hash_split_allocate_page: the split of a bucket begins. Block 0 is the first page of the
// old bucket, block 1 that of the new one, block 2 the metapage.
//
//	new_bucket u32, old_bucket_flag u16, new_bucket_flag u16, flags u8
//	block 2, by the flags: lowmask u32, highmask u32; ovflpoint u32, ovflpages u32
type HashSplitAllocatePage struct {
	NewBucket        uint32
	OldFlag, NewFlag uint16 // hasho_flag of both pages
	Flags            uint8
	HasData          bool // what follows is there, by the flags; otherwise the metapage's image shows it
	LowMask          uint32
	HighMask         uint32
	OvflPoint        uint32
	OvflPages        uint32
}

func (p *HashSplitAllocatePage) decode(in *input) {
	*p = HashSplitAllocatePage{NewBucket: in.u32(), OldFlag: in.u16(), NewFlag: in.u16(), Flags: in.u8()}
	data := in.block(2)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	if p.Flags&HashSplitMetaUpdateMasks != 0 {
		p.LowMask, p.HighMask = data.u32(), data.u32()
	}
	if p.Flags&HashSplitMetaUpdateSplitpoint != 0 {
		p.OvflPoint, p.OvflPages = data.u32(), data.u32()
	}
	in.check(&data)
}

// Describe implements Payload.
func (p *HashSplitAllocatePage) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "new_bucket ", p.NewBucket)
	dst = appendTrue(dst, ", meta_page_masks_updated ", p.Flags&HashSplitMetaUpdateMasks != 0)
	return appendTrue(dst, ", issplitpoint_changed ", p.Flags&HashSplitMetaUpdateSplitpoint != 0)
}

// HashSplitPage is the record SPLIT_PAGE: a page of a new bucket, block 0, with what a split put there.
type HashSplitPage struct {
	noData
	noText
}

// HashSplitComplete is xl_hash_split_complete: a split has ended. Block 0 is the first page of the old bucket, block 1
// that of the new one.
//
//	old_bucket_flag u16, new_bucket_flag u16
type HashSplitComplete struct {
	OldFlag, NewFlag uint16 // hasho_flag of both pages
}

func (p *HashSplitComplete) decode(in *input) { p.OldFlag, p.NewFlag = in.u16(), in.u16() }

// Describe implements Payload.
func (p *HashSplitComplete) Describe(dst []byte, _ *Printing) []byte {
	return appendUint(appendUint(dst, "old_bucket_flag ", p.OldFlag), ", new_bucket_flag ", p.NewFlag)
}

// HashSplitCleanup is the record SPLIT_CLEANUP: the first page of a bucket, block 0, has no more tuples that a split
// moved away.
type HashSplitCleanup struct {
	noData
	noText
}

// HashMoved is tuples that went to another page, block 1 of the record.
//
//	block 1: offsets u16 * ntups, tuples
type HashMoved struct {
	NTuples uint16
	HasData bool    // what follows is there; otherwise the page's image shows it, or there are none
	Offsets Uint16s // where the tuples go
	Tuples  IndexTuples
}

func (p *HashMoved) decodeData(in *input) {
	data := in.block(1)
	if p.HasData = data.left() > 0; !p.HasData {
		return
	}
	p.Offsets = data.u16s(int64(p.NTuples))
	p.Tuples = data.countedTuples(int64(p.NTuples))
	in.check(&data)
}

// HashMovePageContents is xl_hash_move_page_contents: tuples of a bucket moved to a page before theirs. Block 0 is the
// bucket's first page, when it is not block 1; block 1 gets the tuples, block 2 loses them.
//
//	ntups u16, is_prim_bucket_same_wrt u8
//	block 1: see HashMoved
//	block 2: offsets u16 * the rest
type HashMovePageContents struct {
	HashMoved
	ToPrimary bool    // block 1 is the bucket's first page
	Deleted   Uint16s // empty when the page's image shows it
}

func (p *HashMovePageContents) decode(in *input) {
	*p = HashMovePageContents{HashMoved: HashMoved{NTuples: in.u16()}, ToPrimary: in.bool()}
	p.decodeData(in)
	from := in.block(2)
	p.Deleted = from.u16s(int64(from.left() / 2))
}

// Describe implements Payload.
func (p *HashMovePageContents) Describe(dst []byte, _ *Printing) []byte {
	return appendTrue(appendUint(dst, "ntups ", p.NTuples), ", is_primary ", p.ToPrimary)
}

// HashSqueezePage is xl_hash_squeeze_page: the last page of a bucket was freed, and its tuples moved to a page
// before. Block 0 is the bucket's first page, when it is not block 1; block 1 gets the tuples; block 2 is the freed
// page, blocks 3 and 4 those before and behind it, block 5 the bitmap page, block 6 the metapage.
//
//	prevblkno u32, nextblkno u32, ntups u16, is_prim_bucket_same_wrt u8, is_prev_bucket_same_wrt u8
//	block 1: see HashMoved
//	block 5: bit u32
//	block 6: firstfree u32
type HashSqueezePage struct {
	Prev, Next uint32 // of the freed page
	HashMoved
	ToPrimary  bool   // block 1 is the bucket's first page
	ToPrevious bool   // block 1 is the page before the freed one
	HasBit     bool   // Bit is there; otherwise the bitmap page's image shows it
	Bit        uint32 // of the freed page in the bitmap
	HasFree    bool   // FirstFree is there; otherwise it stays, or the metapage's image shows it
	FirstFree  uint32 // hashm_firstfree
}

func (p *HashSqueezePage) decode(in *input) {
	*p = HashSqueezePage{Prev: in.u32(), Next: in.u32(), HashMoved: HashMoved{NTuples: in.u16()},
		ToPrimary: in.bool(), ToPrevious: in.bool()}
	p.decodeData(in)
	p.Bit, p.HasBit = in.blockU32(5)
	p.FirstFree, p.HasFree = in.blockU32(6)
}

// Describe implements Payload.
func (p *HashSqueezePage) Describe(dst []byte, _ *Printing) []byte {
	dst = appendUint(dst, "prevblkno ", p.Prev)
	dst = appendUint(dst, ", nextblkno ", p.Next)
	dst = appendUint(dst, ", ntups ", p.NTuples)
	return appendTrue(dst, ", is_primary ", p.ToPrimary)
}
