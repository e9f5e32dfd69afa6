// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
	"strconv"
)

// LSN is a log sequence number: a byte position in the write-ahead log. PostgreSQL calls it XLogRecPtr
// (src/include/access/xlogdefs.h). Positions on the wire and in this library are exclusive ends: "flushed up to
// LSN" means that every byte below LSN is flushed.
type LSN uint64

// InvalidLSN is never the position of a record.
const InvalidLSN LSN = 0

// ErrInvalidLSN says that a text is not an LSN.
var ErrInvalidLSN = errors.New("invalid LSN")

// ParseLSN reads PostgreSQL's text form: two groups of one to eight hexadecimal digits with a slash between them,
// and nothing else, as pg_lsn_in does.
func ParseLSN(s string) (LSN, error) {
	hi, n := parseHex32(s)
	if n == 0 || n >= len(s) || s[n] != '/' {
		return 0, fmt.Errorf("%w %q", ErrInvalidLSN, s)
	}
	rest := s[n+1:]
	lo, m := parseHex32(rest)
	if m == 0 || m != len(rest) {
		return 0, fmt.Errorf("%w %q", ErrInvalidLSN, s)
	}
	return LSN(hi)<<32 | LSN(lo), nil
}

// parseHex32 reads at most eight leading hexadecimal digits and returns how many it found.
func parseHex32(s string) (v uint32, n int) {
	for n < len(s) && n < 8 {
		d, ok := hexDigit(s[n])
		if !ok {
			break
		}
		v = v<<4 | uint32(d)
		n++
	}
	return v, n
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// String is PostgreSQL's "%X/%X".
func (l LSN) String() string {
	var buf [17]byte
	return string(l.AppendTo(buf[:0]))
}

// AppendTo appends the text form to dst.
func (l LSN) AppendTo(dst []byte) []byte {
	dst = appendUpperHex(dst, uint32(l>>32))
	dst = append(dst, '/')
	return appendUpperHex(dst, uint32(l))
}

func appendUpperHex(dst []byte, v uint32) []byte {
	start := len(dst)
	dst = strconv.AppendUint(dst, uint64(v), 16)
	for i := start; i < len(dst); i++ {
		if dst[i] >= 'a' {
			dst[i] -= 'a' - 'A'
		}
	}
	return dst
}

// MarshalText implements encoding.TextMarshaler.
func (l LSN) MarshalText() ([]byte, error) { return l.AppendTo(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *LSN) UnmarshalText(text []byte) error {
	v, err := ParseLSN(string(text))
	if err != nil {
		return err
	}
	*l = v
	return nil
}

// Valid tells whether l is set.
func (l LSN) Valid() bool { return l != InvalidLSN }

// Add returns the position n bytes after l.
func (l LSN) Add(n int) LSN { return l + LSN(n) }

// Sub returns the number of bytes from o to l; it is negative when l is before o.
func (l LSN) Sub(o LSN) int64 { return int64(l - o) }
