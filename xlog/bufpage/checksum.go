// SPDX-License-Identifier: Apache-2.0

package bufpage

// Checksum is pd_checksum as it should be for a page that is the given block of its fork, counted over all segments
// (pg_checksum_page in src/include/storage/checksum_impl.h). The page's length is a multiple of 128; the checksum that
// it has does not matter.
func Checksum(page []byte, block uint32) uint16 { return 0 }

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
	return p.u16(8) == int(Checksum(p, block))
}
