// SPDX-License-Identifier: Apache-2.0

package catalog

// The functions here write the types of src/backend/utils/adt/geo_ops.c, all made of f64.

// pair writes a point without parentheses.
func (p *printer) pair(raw []byte) {
	p.float(raw)
	p.char(',')
	p.float(raw[8:])
}

func (p *printer) point(raw []byte) {
	p.char('(')
	p.pair(raw)
	p.char(')')
}

// points writes points with commas between them.
func (p *printer) points(raw []byte) {
	for at := 0; at+16 <= len(raw); at += 16 {
		if at > 0 {
			p.char(',')
		}
		p.point(raw[at:])
	}
}

func outPoint(p *printer, _ *Type, raw []byte) error {
	p.point(raw)
	return nil
}

func outLseg(p *printer, _ *Type, raw []byte) error {
	p.char('[')
	p.points(raw)
	p.char(']')
	return nil
}

func outBox(p *printer, _ *Type, raw []byte) error {
	p.points(raw)
	return nil
}

func outLine(p *printer, _ *Type, raw []byte) error {
	p.char('{')
	p.pair(raw)
	p.char(',')
	p.float(raw[16:])
	p.char('}')
	return nil
}

func outCircle(p *printer, _ *Type, raw []byte) error {
	p.char('<')
	p.point(raw)
	p.char(',')
	p.float(raw[16:])
	p.char('>')
	return nil
}

// outPath writes a path: number of points i32, closed i32, unused u32, points.
func outPath(p *printer, t *Type, raw []byte) error {
	if len(raw) < 12 || int64(len(raw)-12) != 16*int64(u32(raw)) {
		return malformed(t, "wrong number of points")
	}
	brackets := "[]"
	if u32(raw[4:]) != 0 {
		brackets = "()"
	}
	p.char(brackets[0])
	p.points(raw[12:])
	p.char(brackets[1])
	return nil
}

// outPolygon writes a polygon: number of points i32, box around them, points.
func outPolygon(p *printer, t *Type, raw []byte) error {
	if len(raw) < 36 || int64(len(raw)-36) != 16*int64(u32(raw)) {
		return malformed(t, "wrong number of points")
	}
	p.char('(')
	p.points(raw[36:])
	p.char(')')
	return nil
}
