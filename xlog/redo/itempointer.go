// SPDX-License-Identifier: Apache-2.0

package redo

import "encoding/binary"

// invalidBlock is InvalidBlockNumber.
const invalidBlock uint32 = 0xFFFFFFFF

// putBlockID writes a BlockIdData, 4 bytes: the upper half of the number comes first.
func putBlockID(b []byte, block uint32) {
	binary.LittleEndian.PutUint16(b, uint16(block>>16))
	binary.LittleEndian.PutUint16(b[2:], uint16(block))
}

// putItemPointer writes an ItemPointerData, 6 bytes.
func putItemPointer(b []byte, block uint32, off uint16) {
	putBlockID(b, block)
	binary.LittleEndian.PutUint16(b[4:], off)
}

// getItemPointer reads an ItemPointerData.
func getItemPointer(b []byte) (block uint32, off uint16) {
	block = uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
	return block, binary.LittleEndian.Uint16(b[4:])
}
