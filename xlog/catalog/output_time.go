// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"time"

	"github.com/walmirror/walmirror/xlog/pgtext"
)

func outDate(p *printer, _ *Type, raw []byte) error {
	p.buf = pgtext.AppendDate(p.buf, int32(u32(raw)))
	return nil
}

func outTime(p *printer, t *Type, raw []byte) error {
	micros, err := timeOfDay(t, raw)
	if err == nil {
		p.buf = pgtext.AppendTime(p.buf, micros)
	}
	return err
}

// outTimeTZ writes timetz: time of day i64, seconds west of Greenwich i32.
func outTimeTZ(p *printer, t *Type, raw []byte) error {
	micros, err := timeOfDay(t, raw)
	if err == nil {
		p.buf = pgtext.AppendTimeTZ(p.buf, micros, int32(u32(raw[8:])))
	}
	return err
}

// timeOfDay is microseconds since midnight, of which there may be those of a whole day.
func timeOfDay(t *Type, raw []byte) (int64, error) {
	micros := int64(u64(raw))
	if micros < 0 || micros > pgtext.MicrosPerDay {
		return 0, malformed(t, "not in a day")
	}
	return micros, nil
}

func outTimestamp(p *printer, _ *Type, raw []byte) error {
	p.buf = pgtext.AppendTimestamp(p.buf, int64(u64(raw)))
	return nil
}

func outTimestampTZ(p *printer, _ *Type, raw []byte) error {
	p.buf = pgtext.AppendTimestampTZ(p.buf, int64(u64(raw)), placeOf(p.Location))
	return nil
}

// placeOf is the setting TimeZone.
func placeOf(l *time.Location) *time.Location {
	if l == nil {
		return time.UTC
	}
	return l
}
