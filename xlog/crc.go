// SPDX-License-Identifier: Apache-2.0

package xlog

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// portableCRC is RecordCRC by the standard library.
func portableCRC(raw []byte) uint32 {
	crc := crc32.Update(0, castagnoli, raw[RecordHeaderSize:])
	return crc32.Update(crc, castagnoli, raw[:RecordHeaderSize-4])
}
