// SPDX-License-Identifier: Apache-2.0

package walsender

import "encoding/binary"

// fields takes the body of a message apart. After the first field that is not there, all are zero, and end says so.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.bad, f.rest = true, nil
		return nil
	}
	taken := f.rest[:n:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) byte() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) int16() int16 {
	if b := f.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (f *fields) int32() int32 {
	if b := f.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// text is a string that a zero byte ends.
func (f *fields) text() string {
	for i, b := range f.rest {
		if b == 0 {
			return string(f.take(i + 1)[:i])
		}
	}
	f.bad, f.rest = true, nil
	return ""
}

// count is the number of what follows, each of which has no less than size bytes.
func (f *fields) count(size int) int {
	n := int(uint16(f.int16()))
	if n*size > len(f.rest) {
		f.bad, f.rest = true, nil
		return 0
	}
	return n
}

func (f *fields) formats() []int16 {
	formats := make([]int16, f.count(2))
	for i := range formats {
		formats[i] = f.int16()
	}
	return formats
}

// value is one with its length before it; nil is NULL.
func (f *fields) value() []byte {
	n := f.int32()
	if n == -1 {
		return nil
	}
	return f.take(int(n))
}

// end says whether the message had just what it should have.
func (f *fields) end() error {
	if f.bad || len(f.rest) > 0 {
		return errorf(codeProtocolViolation, "invalid message format")
	}
	return nil
}
