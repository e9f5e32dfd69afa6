// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

func inFloat(_ *Input, t *Type, text string) ([]byte, error) {
	if strings.ContainsAny(text, "xXpP_") {
		return nil, errors.New("not decimal") // what Go would take
	}
	v, err := strconv.ParseFloat(text, 8*int(t.Len))
	if math.IsNaN(v) {
		v = math.Float64frombits(0x7FF8 << 48) // the server's; Go's has one bit more
	}
	if t.Len == 4 {
		return little(uint64(math.Float32bits(float32(v))), 4), err
	}
	return little(math.Float64bits(v), 8), err
}
