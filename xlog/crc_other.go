// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package xlog

// RecordCRC is the checksum that belongs into the header of a whole record: of its payload, then of the header up to
// the checksum. raw must hold at least a header.
func RecordCRC(raw []byte) uint32 { return portableCRC(raw) }
