// SPDX-License-Identifier: Apache-2.0

package xlog

// recordCRC is RecordCRC of the n bytes at raw, a header at least. Records are short, and hash/crc32 spends half of its
// time on finding the alignment of each, which the instruction does not need.
//
//go:noescape
func recordCRC(raw *byte, n int) uint32

// hasCRC32 tells whether the processor has the instruction.
func hasCRC32() bool

var fastCRC = hasCRC32()

// shortRecord is a length in bytes from which hash/crc32, which then works on three parts at a time, is faster.
const shortRecord = 768

// RecordCRC is the checksum that belongs into the header of a whole record: of its payload, then of the header up to
// the checksum. raw must hold at least a header.
func RecordCRC(raw []byte) uint32 {
	if fastCRC && len(raw) >= RecordHeaderSize && len(raw) < shortRecord {
		return recordCRC(&raw[0], len(raw))
	}
	return portableCRC(raw)
}
