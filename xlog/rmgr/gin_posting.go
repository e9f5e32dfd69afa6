// SPDX-License-Identifier: Apache-2.0

package rmgr

import "encoding/binary"

// GinPostings is a number of posting lists, segments of a posting tree's leaf, one behind another (GinPostingList).
//
//	first ItemPointerData, nbytes u16, bytes * nbytes, pad to 2
type GinPostings []byte

const ginPostingHeader = itemPointerSize + 2

// Next cuts the first list off. There must be one.
func (g GinPostings) Next() (list []byte, rest GinPostings) {
	n := ginPostingSize(g)
	return g[:n:n], g[n:]
}

// ginPostingSize is SizeOfGinPostingList.
func ginPostingSize(list []byte) int {
	n := int(binary.LittleEndian.Uint16(list[itemPointerSize:]))
	return ginPostingHeader + n + n&1
}

// ginPosting reads one list.
func (in *input) ginPosting() []byte {
	if in.left() < ginPostingHeader {
		return in.bytes(ginPostingHeader)
	}
	return in.bytes(ginPostingSize(in.main[in.off:]))
}

// checkPostings fails unless there are whole lists up to the end.
func (in *input) checkPostings(lists GinPostings) {
	other := input{main: lists}
	for other.left() > 0 && other.err == "" {
		other.ginPosting()
	}
	in.check(&other)
}

// What happens to a segment of a posting tree's leaf (GIN_SEGMENT_*).
const (
	GinSegmentDelete   uint8 = 1
	GinSegmentInsert   uint8 = 2
	GinSegmentReplace  uint8 = 3
	GinSegmentAddItems uint8 = 4
)

// GinSegmentAction is ginxlogSegmentAction: what happens to one segment.
type GinSegmentAction struct {
	Segment uint8 // from 0 on
	Action  uint8
	Posting []byte       // the new posting list, for GinSegmentInsert and GinSegmentReplace
	Items   ItemPointers // for GinSegmentAddItems
}

// GinRecompress is ginxlogRecompressDataLeaf: what happens to the segments of a posting tree's leaf.
//
//	nactions u16, {segno u8, type u8, a posting list | nitems u16, ItemPointerData * nitems | nothing} * nactions
type GinRecompress struct {
	n       int
	actions []byte
}

// Len is the number of actions.
func (r GinRecompress) Len() int { return r.n }

// Next cuts the first action off. There must be one.
func (r GinRecompress) Next() (a GinSegmentAction, rest GinRecompress) {
	in := input{main: r.actions}
	a = in.ginSegmentAction()
	return a, GinRecompress{r.n - 1, in.main[in.off:]}
}

func (in *input) ginSegmentAction() (a GinSegmentAction) {
	a.Segment, a.Action = in.u8(), in.u8()
	switch a.Action {
	case GinSegmentDelete:
	case GinSegmentInsert, GinSegmentReplace:
		a.Posting = in.ginPosting()
	case GinSegmentAddItems:
		a.Items = in.array(int64(in.u16()), itemPointerSize)
	default:
		in.fail("unknown action on a segment")
	}
	return a
}

func (in *input) ginRecompress() GinRecompress {
	n := int(in.u16())
	start := in.off
	for i := 0; i < n && in.err == ""; i++ {
		in.ginSegmentAction()
	}
	if in.err != "" {
		return GinRecompress{}
	}
	return GinRecompress{n, in.main[start:in.off]}
}

// describe is desc_recompress_leaf.
func (r GinRecompress) describe(dst []byte) []byte {
	dst = append(appendInt(dst, " ", r.n), " segments:"...)
	for r.Len() > 0 {
		var a GinSegmentAction
		a, r = r.Next()
		dst = appendUint(dst, " ", a.Segment)
		switch a.Action {
		case GinSegmentAddItems:
			dst = append(appendInt(dst, " (add ", a.Items.Len()), " items)"...)
		case GinSegmentDelete:
			dst = append(dst, " (delete)"...)
		case GinSegmentInsert:
			dst = append(dst, " (insert)"...)
		case GinSegmentReplace:
			dst = append(dst, " (replace)"...)
		}
	}
	return dst
}
