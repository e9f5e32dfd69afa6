// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
)

// maxDimensions is MAXDIM.
const maxDimensions = 6

// array is an array (src/include/utils/array.h). Payload:
//
//	 0  ndim        i32
//	 4  dataoffset  i32   where the elements begin, counted with the varlena's header; 0 when no element is NULL
//	 8  elemtype    u32
//	12  lengths     i32[ndim]
//	    bounds      i32[ndim]   the lowest subscripts
//	    bitmap                  a bit for each element, 0 for NULL; if there is a dataoffset
//	    elements, aligned; the first to 8 bytes
type array struct {
	element uint32
	lengths []int
	bounds  []int
	bitmap  []byte
	data    []byte // payload up to its end
	offset  int    // of the first element in data
}

func decodeArray(raw []byte) (a array, err error) {
	if len(raw) < 12 {
		return a, fmt.Errorf("%w: array of %d bytes", ErrValue, len(raw))
	}
	ndim, dataOffset := u32(raw), int(int32(u32(raw[4:])))
	a.element = u32(raw[8:])
	if ndim > maxDimensions || len(raw) < 12+8*int(ndim) {
		return a, fmt.Errorf("%w: array of %d bytes and %d dimensions", ErrValue, len(raw), ndim)
	}
	for i := range int(ndim) {
		a.lengths = append(a.lengths, int(int32(u32(raw[12+4*i:]))))
		a.bounds = append(a.bounds, int(int32(u32(raw[12+4*(int(ndim)+i):]))))
	}
	n, err := a.size(8 * len(raw))
	if err != nil {
		return a, err
	}
	header := 12 + 8*int(ndim)
	a.data, a.offset = raw, alignPayload(header, 8)
	if dataOffset != 0 {
		bitmap := (n + 7) / 8
		if len(raw) < header+bitmap || dataOffset-4 < header+bitmap || dataOffset-4 > len(raw) {
			return a, fmt.Errorf("%w: null bitmap of an array", ErrValue)
		}
		a.bitmap, a.offset = raw[header:header+bitmap], dataOffset-4
	}
	return a, nil
}

// alignPayload rounds an offset in a payload up so that it is aligned with the header of four bytes before it.
func alignPayload(at, n int) int { return align(at+4, n) - 4 }

// size is the number of elements, which must not be greater than most.
func (a *array) size(most int) (int, error) {
	if len(a.lengths) == 0 {
		return 0, nil
	}
	n := 1
	for _, length := range a.lengths {
		if length < 0 || n > 0 && length > most/n {
			return 0, fmt.Errorf("%w: array of %d elements", ErrValue, a.lengths)
		}
		n *= length
	}
	return n, nil
}

// each calls f with every element in order, payload or nil for NULL. t is the element type.
func (a *array) each(t *TypeInfo, plain func(*varlena) ([]byte, error), f func(i int, raw []byte) error) error {
	n, err := a.size(8 * len(a.data))
	if err != nil {
		return err
	}
	at := a.offset
	for i := range n {
		if a.bitmap != nil && a.bitmap[i/8]>>(i%8)&1 == 0 {
			if err := f(i, nil); err != nil {
				return err
			}
			continue
		}
		at = alignPayload(at, t.Alignment())
		if at > len(a.data) {
			return fmt.Errorf("%w: array ends in an element", ErrValue)
		}
		raw, size, err := cutValue(t, a.data[at:], plain)
		if err != nil {
			return err
		}
		if err := f(i, raw); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// cutValue reads the value that b begins with, and tells how many bytes it takes. It is never nil.
func cutValue(t *TypeInfo, b []byte, plain func(*varlena) ([]byte, error)) (raw []byte, size int, err error) {
	switch {
	case t.Len == -1:
		v, size, err := cutVarlena(t, b)
		if err != nil {
			return nil, 0, err
		}
		raw, err := plain(&v)
		return notNil(raw), size, err
	case t.Len == -2:
		end := bytes.IndexByte(b, 0)
		if end < 0 {
			return nil, 0, fmt.Errorf("%w: string without end", ErrValue)
		}
		return b[:end:end], end + 1, nil
	case t.Len <= 0 || int(t.Len) > len(b):
		return nil, 0, fmt.Errorf("%w: %d bytes where the type has %d", ErrValue, len(b), t.Len)
	}
	return b[:t.Len:t.Len], int(t.Len), nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// arrayElements are the elements of an array of a type, in order, those of further dimensions behind one another. They
// are part of the payload, which is an array's.
func arrayElements(raw []byte, element *TypeInfo) ([]Value, error) {
	a, err := decodeArray(raw)
	if err != nil {
		return nil, err
	}
	var values []Value
	err = a.each(element, (*varlena).plain, func(_ int, raw []byte) error {
		values = append(values, Value{Raw: raw, Null: raw == nil})
		return nil
	})
	return values, err
}
