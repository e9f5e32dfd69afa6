// SPDX-License-Identifier: Apache-2.0

package catalog

import "github.com/walmirror/walmirror/xlog/pgtext"

// outInterval writes an interval: time in microseconds i64, days i32, months i32.
func outInterval(p *printer, _ *Type, raw []byte) error {
	v := pgtext.Interval{Micros: int64(u64(raw)), Days: int32(u32(raw[8:])), Months: int32(u32(raw[12:]))}
	p.buf = pgtext.AppendInterval(p.buf, v, p.Major)
	return nil
}
