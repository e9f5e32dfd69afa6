// SPDX-License-Identifier: Apache-2.0

// Package bytesize is the flags that are numbers of bytes.
package bytesize

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Size is a flag's number of bytes, with a suffix k, M, G or T for powers of 1024.
type Size int64

// Set implements pflag.Value.
func (s *Size) Set(text string) error {
	digits, shift := strings.TrimSuffix(text, "B"), 0
	if i := strings.IndexByte("kMGT", last(digits)); i >= 0 {
		digits, shift = digits[:len(digits)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(digits, 10, 63)
	if err != nil || n < 0 || bits.Len64(uint64(n))+shift > 62 {
		return fmt.Errorf("%q is not a size such as 512M", text)
	}
	*s = Size(n << shift)
	return nil
}

func last(text string) byte {
	if text == "" {
		return 0
	}
	return text[len(text)-1]
}

// String implements pflag.Value.
func (s *Size) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Type implements pflag.Value.
func (*Size) Type() string { return "size" }
