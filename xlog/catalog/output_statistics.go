// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"math"
	"strconv"
)

// What the extended statistics begin with: magic u32, type u32, number of items u32.
const (
	statisticsHeader  = 12
	ndistinctMagic    = 0xA352BFA4
	dependenciesMagic = 0xB4549A2C
)

// outNdistinct writes pg_ndistinct (pg_ndistinct_out in src/backend/statistics/mvdistinct.c). Items: count f64, number
// of columns i32, columns i16[].
func outNdistinct(p *printer, t *Type, raw []byte) error {
	return p.statistics(t, raw, ndistinctMagic, 12, func(head, columns []byte) {
		for i := 0; i < len(columns); i += 2 {
			if i > 0 {
				p.str(", ")
			}
			p.int(int64(int16(u16(columns[i:]))))
		}
		p.str(`": `)
		p.int(int64(int32(math.Float64frombits(u64(head)))))
	})
}

// outDependencies writes pg_dependencies (pg_dependencies_out in src/backend/statistics/dependencies.c). Items: degree
// f64, number of columns i16, columns i16[].
func outDependencies(p *printer, t *Type, raw []byte) error {
	return p.statistics(t, raw, dependenciesMagic, 10, func(head, columns []byte) {
		for i := 0; i < len(columns); i += 2 {
			switch {
			case i == len(columns)-2:
				p.str(" => ")
			case i > 0:
				p.str(", ")
			}
			p.int(int64(int16(u16(columns[i:]))))
		}
		p.str(`": `)
		p.buf = strconv.AppendFloat(p.buf, math.Float64frombits(u64(head)), 'f', 6, 64)
	})
}

// statistics writes items, each a head of a given size, a number that ends with the number of columns, and the columns.
func (p *printer) statistics(t *Type, raw []byte, magic uint32, head int, write func(head, columns []byte)) error {
	if len(raw) < statisticsHeader || u32(raw) != magic {
		return malformed(t, "wrong magic")
	}
	rest := raw[statisticsHeader:]
	p.char('{')
	for i := range u32(raw[8:]) {
		if i > 0 {
			p.str(", ")
		}
		size := head
		if len(rest) >= head {
			size += 2 * int(u16(rest[8:])) // of an i32, of which the upper half is 0
		}
		if len(rest) < size {
			return malformed(t, "too short")
		}
		p.char('"')
		write(rest[:head], rest[head:size])
		rest = rest[size:]
	}
	p.char('}')
	return nil
}
