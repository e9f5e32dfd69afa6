// SPDX-License-Identifier: Apache-2.0

package bufpage

import "errors"

var (
	errPGLZShort  = errors.New("pglz: input ends in a match")
	errPGLZOffset = errors.New("pglz: match begins before the output")
)

// Lengths of matches: the nibble counts from pglzMinMatch, and its greatest value says that one more byte is to be
// added.
const (
	pglzMinMatch  = 3
	pglzLongMatch = 15
)

// DecompressPGLZ fills dst with the plain text of src, which must have exactly that length, and must not go on
// behind it (pglz_decompress with check_complete, src/common/pg_lzcompress.c). The format has groups of up to eight
// items:
//
//	control u8       a bit for each item, from the lowest on: 0 a literal, 1 a match
//	literal u8
//	match   u8 u8    high nibble of the first: bits 8 to 11 of the distance back; low nibble: length - 3; the second:
//	                 bits 0 to 7 of the distance
//	        [u8]     when the nibble is 15, to be added to the length
func DecompressPGLZ(dst, src []byte) error {
	n := 0 // bytes of dst that are done
	for len(src) > 0 && n < len(dst) {
		control := src[0]
		src = src[1:]
		for item := 0; item < 8 && len(src) > 0 && n < len(dst); item, control = item+1, control>>1 {
			if control&1 == 0 {
				dst[n] = src[0]
				src, n = src[1:], n+1
				continue
			}
			distance, length, rest := pglzMatch(src)
			switch {
			case rest == nil:
				return errPGLZShort
			case distance == 0 || distance > n:
				return errPGLZOffset
			}
			src, n = rest, n+copyMatch(dst[n-distance:], distance, length)
		}
	}
	if n != len(dst) || len(src) > 0 {
		return errLength
	}
	return nil
}

// pglzMatch reads a match. What follows it is nil when src is too short.
func pglzMatch(src []byte) (distance, length int, rest []byte) {
	if len(src) < 2 {
		return 0, 0, nil
	}
	nibble := int(src[0] & 0x0F)
	distance, length = int(src[0]&0xF0)<<4|int(src[1]), nibble+pglzMinMatch
	if nibble < pglzLongMatch {
		return distance, length, src[2:]
	}
	if len(src) < 3 {
		return 0, 0, nil
	}
	return distance, length + int(src[2]), src[3:]
}

// copyMatch repeats the first distance bytes of p behind themselves until there are length more, or p is full, and
// returns how many.
func copyMatch(p []byte, distance, length int) int {
	length = min(length, len(p)-distance)
	for done := 0; done < length; {
		done += copy(p[distance+done:distance+length], p[:distance+done])
	}
	return length
}
