// SPDX-License-Identifier: Apache-2.0

package xlog

// BitmapWords are how many content words and header words, of 8 bytes, a page of a bitmap index has
// (BM_NUM_OF_HRL_WORDS_PER_PAGE and BM_NUM_OF_HEADER_WORDS of src/include/access/bitmap.h).
func (d *Dialect) BitmapWords() (content, header int) {
	const pageHeader, opaque, wordBits = 24, 16, 64
	words := (int(d.blockSize) - pageHeader - opaque) / 8
	headers := (words-1)/wordBits + 1
	content = (words - headers) / wordBits * wordBits
	return content, (content-1)/wordBits + 1
}

// BitmapTextFull tells whether descriptions of Bitmap give each value.
func (d *Dialect) BitmapTextFull() bool { return d.flavour == Cloudberry }

// NamesCompression tells whether pg_waldump names the method by which an image is compressed.
func (d *Dialect) NamesCompression() bool { return d.base >= 15 }

// EmptyLineBehindImage tells whether pg_waldump's details of block references have an empty line behind each image, as
// the development build's.
func (d *Dialect) EmptyLineBehindImage() bool { return d.isGreenplum() && !d.greenplumGxidWide }
