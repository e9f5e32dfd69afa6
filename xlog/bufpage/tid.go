// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"encoding/binary"
	"fmt"
)

// TID is where a tuple is: block and offset number (ItemPointerData in src/include/storage/itemptr.h).
type TID struct {
	Block  uint32
	Offset uint16
}

// Offsets that are none (src/include/storage/itemptr.h).
const (
	SpecTokenOffset       uint16 = 0xFFFE // SpecTokenOffsetNumber: Block is the token of a speculative insertion
	MovedPartitionsOffset uint16 = 0xFFFD // MovedPartitionsOffsetNumber: an update took the tuple to another partition
)

// TIDSize is sizeof(ItemPointerData): block's upper half u16, its lower half u16, offset u16.
const TIDSize = 6

// String is the form of type tid.
func (t TID) String() string { return fmt.Sprintf("(%d,%d)", t.Block, t.Offset) }

// GetTID reads an ItemPointerData, 6 bytes.
func GetTID(b []byte) TID {
	_ = b[TIDSize-1]
	return TID{
		Block:  uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:])),
		Offset: binary.LittleEndian.Uint16(b[4:]),
	}
}

// Put writes t as an ItemPointerData.
func (t TID) Put(b []byte) {
	_ = b[TIDSize-1]
	binary.LittleEndian.PutUint16(b, uint16(t.Block>>16))
	binary.LittleEndian.PutUint16(b[2:], uint16(t.Block))
	binary.LittleEndian.PutUint16(b[4:], t.Offset)
}
