// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"math"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

func outFloat4(p *printer, _ *Type, raw []byte) error {
	p.buf = pgtext.AppendFloat4(p.buf, math.Float32frombits(u32(raw)))
	return nil
}

func outFloat8(p *printer, _ *Type, raw []byte) error {
	p.float(raw)
	return nil
}

// float writes the double that raw begins with.
func (p *printer) float(raw []byte) {
	p.buf = pgtext.AppendFloat8(p.buf, math.Float64frombits(u64(raw)))
}
