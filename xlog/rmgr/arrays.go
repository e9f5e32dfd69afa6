// SPDX-License-Identifier: Apache-2.0

package rmgr

// appendArray appends what array_desc in src/backend/access/rmgrdesc/rmgrdesc_utils.c writes: " [a, b]" of n items that
// item appends.
func appendArray(dst []byte, label string, n int, item func(dst []byte, i int) []byte) []byte {
	dst = append(append(dst, label...), " ["...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = item(dst, i)
	}
	return append(dst, ']')
}

// appendOffsets is appendArray of offset numbers.
func appendOffsets(dst []byte, label string, offsets Uint16s) []byte {
	return appendArray(dst, label, offsets.Len(), func(dst []byte, i int) []byte {
		return appendUint(dst, "", offsets.At(i))
	})
}

// appendOids is appendArray of object ids.
func appendOids(dst []byte, label string, oids Uint32s) []byte {
	return appendArray(dst, label, oids.Len(), func(dst []byte, i int) []byte {
		return appendUint(dst, "", oids.At(i))
	})
}

// appendList appends the label and " n" for each number, when there are any.
func appendList(dst []byte, label string, numbers Uint32s) []byte {
	if numbers.Len() > 0 {
		dst = append(dst, label...)
	}
	for i := range numbers.Len() {
		dst = appendUint(dst, " ", numbers.At(i))
	}
	return dst
}
