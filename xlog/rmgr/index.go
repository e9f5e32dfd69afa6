// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"
	"math"
	"strconv"
)

// indexTupleHeader is the size of IndexTupleData: t_tid 6, t_info u16.
const indexTupleHeader = 8

// IndexTuples is a number of index tuples one behind another.
type IndexTuples []byte

// Next cuts the first tuple off. There must be one.
func (t IndexTuples) Next() (tuple []byte, rest IndexTuples) {
	n := indexTupleSize(t)
	return t[:n:n], t[n:]
}

// indexTupleSize is IndexTupleSize: the lower bits of t_info.
func indexTupleSize(tuple []byte) int { return int(binary.LittleEndian.Uint16(tuple[6:]) & 0x1FFF) }

// indexTuple reads one tuple.
func (in *input) indexTuple() []byte {
	if in.left() < indexTupleHeader {
		return in.bytes(indexTupleHeader)
	}
	n := indexTupleSize(in.main[in.off:])
	if n < indexTupleHeader {
		in.fail("index tuple without header")
		return nil
	}
	return in.bytes(n)
}

// indexTuples reads tuples up to the end.
func (in *input) indexTuples() IndexTuples {
	tuples := in.main[in.off:]
	for in.left() > 0 && in.err == "" {
		in.indexTuple()
	}
	if in.err != "" {
		return nil
	}
	return tuples
}

// countedTuples reads n tuples, which must be all that is left.
func (in *input) countedTuples(n int64) IndexTuples {
	tuples := in.main[in.off:]
	for ; n > 0 && in.left() > 0 && in.err == ""; n-- {
		in.indexTuple()
	}
	if n != 0 || in.left() > 0 {
		in.fail("not as many tuples as the record says")
	}
	if in.err != "" {
		return nil
	}
	return tuples
}

const itemPointerSize = 6 // of ItemPointerData

// ItemPointers is an array of item pointers in a record.
type ItemPointers []byte

// Len is the number of items.
func (a ItemPointers) Len() int { return len(a) / itemPointerSize }

// At is item i.
func (a ItemPointers) At(i int) ItemPointer {
	b := a[itemPointerSize*i:]
	return ItemPointer{blockID(b), binary.LittleEndian.Uint16(b[4:])}
}

// blockID is a BlockIdData: the upper half of a block number comes first.
func blockID(b []byte) uint32 {
	return uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
}

func (in *input) blockID() uint32 {
	if b := in.bytes(4); b != nil {
		return blockID(b)
	}
	return 0
}

func (in *input) f64() float64 { return math.Float64frombits(in.u64()) }

// appendFloat is %f or %g.
func appendFloat(dst []byte, label string, v float64, format byte) []byte {
	dst = append(dst, label...)
	switch {
	case math.IsInf(v, 0) && v < 0:
		return append(dst, "-inf"...)
	case math.IsInf(v, 0):
		return append(dst, "inf"...)
	case math.IsNaN(v):
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, v, format, 6, 64)
}

// appendFullXid is a FullTransactionId as %u:%u.
func appendFullXid(dst []byte, label string, xid uint64) []byte {
	return appendUint(appendUint(dst, label, uint32(xid>>32)), ":", uint32(xid))
}

// appendCatalog appends the label and T or F, if the dialect's descriptions have the flag.
func (p *Printing) appendCatalog(dst []byte, label string, isCatalogRel bool) []byte {
	if !p.Dialect.IndexTextCatalog() {
		return dst
	}
	return appendTrue(dst, label, isCatalogRel)
}

// noText is embedded in payloads of records that PostgreSQL says nothing of.
type noText struct{}

// Describe appends nothing.
func (noText) Describe(dst []byte, _ *Printing) []byte { return dst }

// noData is embedded in payloads of records that have neither main data nor block data: their pages' images are all.
type noData struct{}

func (noData) decode(*input) {}
