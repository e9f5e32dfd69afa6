// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// A varlena is a value of variable length as it stands in a tuple (src/include/varatt.h, before 16 in
// src/include/postgres.h). The low bits of its first byte say what it is:
//
//	xxxxxxx1            u8                header of one byte: length with it in the upper seven bits
//	00000001            u8 u8             pointer to something outside, of the kind that the second byte names
//	xxxxxx00 ...        u32               header of four bytes: length with it in the upper 30 bits
//	xxxxxx10 ...        u32 u32           the same, compressed: the plain length in 30 bits, the method in the upper two
//
// One with a header of one byte is not aligned, any other is. Greenplum's has its length in network byte order, and so the
// high bits of the first byte say what it is:
//
//	1xxxxxxx            u8                header of one byte: length with it in the lower seven bits
//	10000000            u8 u8 pad 2       pointer to something outside
//	00xxxxxx ...        u32               header of four bytes: length with it in the lower 30 bits
//	01xxxxxx ...        u32 u32           the same, compressed; the second word is as above
type varlena struct {
	kind    varlenaKind
	body    []byte // what follows the headers; of an external one the pointer's bytes
	tag     byte   // vartag_external of an external one
	method  byte   // ToastCompressionId of a compressed one
	rawSize int    // plain length of a compressed one
}

type varlenaKind uint8

const (
	plainVarlena varlenaKind = iota
	compressedVarlena
	externalVarlena
)

// Kinds of external pointers (vartag_external). Only vartagOndisk is ever found in a file.
const (
	vartagIndirect   = 1
	vartagExpandedRO = 2
	vartagExpandedRW = 3
	vartagOndisk     = 18
	vartagOndiskWide = 20 // Greenplum's

	// toastPointerSize is sizeof(varatt_external): plain size i32, stored size and method u32, value u32, table u32.
	toastPointerSize = 16
)

// Methods of compression (ToastCompressionId in src/include/access/toast_compression.h). Before 14 the bits are 0.
const (
	compressedPGLZ = 0
	compressedLZ4  = 1
)

// maxValue is the greatest size of a value, headers and all (MaxAllocSize).
const maxValue = 1<<30 - 1

// cutVarlena reads the varlena of a type that b begins with, and tells its size. The caller has skipped padding.
func cutVarlena(t *TypeInfo, b []byte) (v varlena, size int, err error) {
	if len(b) == 0 {
		return v, 0, fmt.Errorf("%w: no varlena header", ErrValue)
	}
	if t.NetworkOrder {
		return cutNetworkOrder(b)
	}
	switch {
	case b[0] == 1:
		return cutExternal(b, 2, vartagOndisk)
	case b[0]&1 == 1:
		return cutPlain(b, 1, int(b[0]>>1))
	case len(b) < varlenaHeader:
		return v, 0, errShortHeader(b)
	case b[0]&2 == 0:
		return cutPlain(b, varlenaHeader, int(binary.LittleEndian.Uint32(b)>>2))
	}
	return cutCompressed(b, int(binary.LittleEndian.Uint32(b)>>2))
}

// cutNetworkOrder is cutVarlena of Greenplum's.
func cutNetworkOrder(b []byte) (v varlena, size int, err error) {
	switch {
	case b[0] == 0x80:
		return cutExternal(b, 4, vartagOndiskWide)
	case b[0]&0x80 != 0:
		return cutPlain(b, 1, int(b[0]&0x7F))
	case len(b) < varlenaHeader:
		return v, 0, errShortHeader(b)
	case b[0]&0x40 == 0:
		return cutPlain(b, varlenaHeader, int(binary.BigEndian.Uint32(b)))
	}
	return cutCompressed(b, int(binary.BigEndian.Uint32(b)&(1<<30-1)))
}

func errShortHeader(b []byte) error {
	return fmt.Errorf("%w: varlena header of %d bytes", ErrValue, len(b))
}

func cutPlain(b []byte, header, size int) (v varlena, n int, err error) {
	v.body, err = between(b, header, size)
	return v, size, err
}

func cutCompressed(b []byte, size int) (v varlena, n int, err error) {
	if v.body, err = between(b, 8, size); err != nil {
		return v, size, err
	}
	v.kind = compressedVarlena
	v.rawSize, v.method = splitSize(binary.LittleEndian.Uint32(b[4:]))
	return v, size, nil
}

// appendHeader adds the header of a varlena of a type whose payload has n bytes, a short one if it may be.
func appendHeader(dst []byte, t *TypeInfo, n int, short bool) []byte {
	switch {
	case short && t.NetworkOrder:
		return append(dst, byte(1+n)|0x80)
	case short:
		return append(dst, byte(1+n)<<1|1)
	case t.NetworkOrder:
		return binary.BigEndian.AppendUint32(dst, uint32(varlenaHeader+n))
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(varlenaHeader+n)<<2)
}

// splitSize takes apart va_tcinfo of a compressed varlena, or va_extinfo of a pointer: a size and, since 14, a method.
func splitSize(info uint32) (size int, method byte) { return int(info & (1<<30 - 1)), byte(info >> 30) }

func cutExternal(b []byte, header int, onDisk byte) (v varlena, size int, err error) {
	if len(b) < 2 {
		return v, 0, fmt.Errorf("%w: varlena pointer of %d bytes", ErrValue, len(b))
	}
	v.kind, v.tag = externalVarlena, b[1]
	if v.tag != onDisk {
		return v, 0, fmt.Errorf("%w: varlena pointer of kind %d", ErrValue, v.tag)
	}
	size = header + toastPointerSize
	v.body, err = between(b, header, size)
	return v, size, err
}

// between is b[from:to], or an error.
func between(b []byte, from, to int) ([]byte, error) {
	if to < from || to > len(b) {
		return nil, fmt.Errorf("%w: varlena of %d bytes where there are %d", ErrValue, to, len(b))
	}
	return b[from:to:to], nil
}

// plain is the payload of a varlena that is not external. That of a compressed one is new memory.
func (v *varlena) plain() ([]byte, error) {
	switch v.kind {
	case plainVarlena:
		return v.body, nil
	case compressedVarlena:
		return decompress(v.method, v.body, v.rawSize)
	}
	return nil, fmt.Errorf("%w: varlena pointer in a value", ErrValue)
}

// decompress is the plain text, of the given size, of what a server compressed. A method of compression makes at most
// 255 bytes of one, so that a wrong size takes no memory.
func decompress(method byte, body []byte, size int) ([]byte, error) {
	if size > maxValue || size > 255*(len(body)+1) {
		return nil, fmt.Errorf("%w: %d compressed bytes cannot be %d plain ones", ErrValue, len(body), size)
	}
	plain := make([]byte, size)
	var err error
	switch method {
	case compressedPGLZ:
		err = bufpage.DecompressPGLZ(plain, body)
	case compressedLZ4:
		err = bufpage.DecompressLZ4(plain, body)
	default:
		err = fmt.Errorf("compression method %d", method)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrValue, err)
	}
	return plain, nil
}
