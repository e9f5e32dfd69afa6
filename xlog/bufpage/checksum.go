// SPDX-License-Identifier: Apache-2.0

package bufpage

import "encoding/binary"

const (
	checksumSums = 32       // N_SUMS: sums that are computed side by side, each of a column of 32-bit words
	checksumRow  = 4 * 32   // bytes
	fnvPrime     = 16777619 // FNV_PRIME
	sumsAtOnce   = 8        // as many as fit into registers
)

// checksumBase are the sums' initial values (checksumBaseOffsets).
var checksumBase = [checksumSums]uint32{
	0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
	0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
	0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
	0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
}

// Checksum is pd_checksum as it should be for a page that is the given block of its fork, counted over all segments
// (pg_checksum_page in src/include/storage/checksum_impl.h). The page's length is a multiple of 128; the checksum that
// it has does not matter. It is a variant of FNV-1a over 32 columns.
func Checksum(page []byte, block uint32) uint16 {
	sums := checksumBase
	for i := range sums {
		word := binary.LittleEndian.Uint32(page[4*i:])
		if i == 2 {
			word &^= 0xFFFF // the checksum itself
		}
		sums[i] = mix(sums[i], word)
	}
	var all uint32
	for i := 0; i < checksumSums; i += sumsAtOnce {
		all ^= sumColumns((*[sumsAtOnce]uint32)(sums[i:]), page[checksumRow+4*i:])
	}
	return uint16((all^block)%65535 + 1)
}

// mix is one round for one sum (CHECKSUM_COMP).
func mix(sum, word uint32) uint32 {
	sum ^= word
	return sum*fnvPrime ^ sum>>17
}

// sumColumns goes on with eight sums from the second row to the end, and folds them.
func sumColumns(sums *[sumsAtOnce]uint32, words []byte) uint32 {
	a, b, c, d := sums[0], sums[1], sums[2], sums[3]
	e, f, g, h := sums[4], sums[5], sums[6], sums[7]
	for at := 0; at+4*sumsAtOnce <= len(words); at += checksumRow {
		w := (*[4 * sumsAtOnce]byte)(words[at:])
		a = mix(a, binary.LittleEndian.Uint32(w[0:]))
		b = mix(b, binary.LittleEndian.Uint32(w[4:]))
		c = mix(c, binary.LittleEndian.Uint32(w[8:]))
		d = mix(d, binary.LittleEndian.Uint32(w[12:]))
		e = mix(e, binary.LittleEndian.Uint32(w[16:]))
		f = mix(f, binary.LittleEndian.Uint32(w[20:]))
		g = mix(g, binary.LittleEndian.Uint32(w[24:]))
		h = mix(h, binary.LittleEndian.Uint32(w[28:]))
	}
	return last(a) ^ last(b) ^ last(c) ^ last(d) ^ last(e) ^ last(f) ^ last(g) ^ last(h)
}

// last adds the two rounds of zeros behind the page.
func last(sum uint32) uint32 { return mix(mix(sum, 0), 0) }

// Checksum is pd_checksum as it is written on the page.
func (p Page) Checksum() uint16 { return uint16(p.u16(8)) }

// SetChecksum writes pd_checksum (PageSetChecksumInplace). A page that was never initialized has none.
func (p Page) SetChecksum(block uint32) {
	if !p.IsNew() {
		p.setU16(8, int(Checksum(p, block)))
	}
}

// HasChecksum tells whether pd_checksum is right. That of a page of zeros is.
func (p Page) HasChecksum(block uint32) bool {
	if p.IsNew() {
		return checkNew(p) == nil
	}
	return p.Checksum() == Checksum(p, block)
}
