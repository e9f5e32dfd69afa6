// SPDX-License-Identifier: Apache-2.0

package catalog

import "github.com/walmirror/walmirror/xlog/pgtext"

// outArray writes an array (array_out in src/backend/utils/adt/arrayfuncs.c). What type its elements have it says
// itself, so that anyarray in pg_statistic is no different.
func outArray(p *printer, _ *Type, raw []byte) error {
	a, err := decodeArray(raw)
	if err != nil {
		return err
	}
	t, f, err := p.typeFormat(a.element)
	if err != nil {
		return err
	}
	n, err := a.size(8 * len(raw))
	if err != nil {
		return err
	}
	if n == 0 {
		p.str("{}")
		return nil
	}
	p.bounds(&a)
	w := arrayWriter{printer: p, array: &a, element: t, format: f}
	for _, length := range a.lengths {
		w.sizes = append(w.sizes, n)
		n /= length
	}
	return a.each(&t.TypeInfo, p.plain, w.write)
}

// bounds writes the subscripts when not all begin with 1.
func (p *printer) bounds(a *array) {
	needed := false
	for _, bound := range a.bounds {
		needed = needed || bound != 1
	}
	if !needed {
		return
	}
	for i, bound := range a.bounds {
		p.char('[')
		p.int(int64(bound))
		p.char(':')
		p.int(int64(bound + a.lengths[i] - 1))
		p.char(']')
	}
	p.char('=')
}

type arrayWriter struct {
	*printer
	array   *array
	element *Type
	format  *format
	sizes   []int // of the whole array, of what has one dimension less, ...
}

func (w *arrayWriter) write(i int, raw []byte) error {
	for d, size := range w.sizes {
		if i%size == 0 {
			if i > 0 && (d == 0 || i%w.sizes[d-1] != 0) {
				w.char(w.element.Delimiter)
			}
			w.char('{')
		}
	}
	if last := w.sizes[len(w.sizes)-1]; i%last != 0 {
		w.char(w.element.Delimiter)
	}
	if err := w.value(raw); err != nil {
		return err
	}
	for _, size := range w.sizes {
		if (i+1)%size == 0 {
			w.char('}')
		}
	}
	return nil
}

func (w *arrayWriter) value(raw []byte) error {
	if raw == nil {
		w.str("NULL")
		return nil
	}
	start := len(w.buf)
	if err := w.printer.write(w.element, w.format, raw); err != nil {
		return err
	}
	w.buf = pgtext.QuoteElement(w.buf, start, w.element.Delimiter)
	return nil
}

// outOIDVector writes oidvector, an array of one dimension without NULLs that looks otherwise (oidvectorout in
// src/backend/utils/adt/oid.c).
func outOIDVector(p *printer, t *Type, raw []byte) error {
	return p.vector(t, raw, 4, func(b []byte) { p.uint(uint64(u32(b))) })
}

func outInt2Vector(p *printer, t *Type, raw []byte) error {
	return p.vector(t, raw, 2, func(b []byte) { p.int(int64(int16(u16(b)))) })
}

func (p *printer) vector(t *Type, raw []byte, size int, write func(element []byte)) error {
	a, err := decodeArray(raw)
	if err != nil {
		return err
	}
	n, err := a.size(8 * len(raw))
	if err != nil {
		return err
	}
	if len(a.lengths) > 1 || a.bitmap != nil || len(raw)-a.offset < n*size {
		return malformed(t, "not a vector")
	}
	for i := range n {
		if i > 0 {
			p.char(' ')
		}
		write(raw[a.offset+i*size:])
	}
	return nil
}
