// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"fmt"
	"strings"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// page describes a page that differs: where it begins to, how much, and the bytes there; of relations the fields of
// the page header that differ as well.
func (c *comparison) page(name string, block int, a, b []byte) Difference {
	d := Difference{File: name, Block: int64(block)}
	if f, ok := parseRelation(name); ok {
		d.Rel, d.Fork = &f.rel, f.fork
		d.Block += int64(f.segment) * int64(c.relsegSize)
	}
	first, differing := 0, 0
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] {
			first, differing = i, differing+1
		}
	}
	d.Offset = first
	d.Text = fmt.Sprintf("%d bytes differ", differing)
	if d.Rel != nil {
		d.Text += headers(a, b)
		first = firstBehindHeader(a, b, first)
	}
	d.Text += fmt.Sprintf("; at %d %s", first, around(a, b, first))
	return d
}

// firstBehindHeader is where the contents begin to differ, as checksum and LSN mostly follow from it; the first
// difference when they do not.
func firstBehindHeader(a, b []byte, first int) int {
	for i := min(bufpage.HeaderSize, len(a)); i < len(a); i++ {
		if a[i] != b[i] {
			return i
		}
	}
	return first
}

// around shows some bytes of both sides from at on.
func around(a, b []byte, at int) string {
	const shown = 16
	end := min(at+shown, len(a))
	return fmt.Sprintf("A % x, B % x", a[at:end], b[at:end])
}

// headers says which fields of the page headers differ.
func headers(a, b []byte) string {
	var ha, hb bufpage.Header
	if ha.Decode(a) != nil || hb.Decode(b) != nil {
		return ""
	}
	var out strings.Builder
	field := func(name string, va, vb any) {
		if va != vb {
			fmt.Fprintf(&out, ", %s %v and %v", name, va, vb)
		}
	}
	field("LSN", ha.LSN, hb.LSN)
	field("flags", ha.Flags, hb.Flags)
	field("lower", ha.Lower, hb.Lower)
	field("upper", ha.Upper, hb.Upper)
	field("special", ha.Special, hb.Special)
	field("size", ha.Size, hb.Size)
	field("prune_xid", ha.PruneXID, hb.PruneXID)
	if out.Len() == 0 {
		return fmt.Sprintf(", LSN %s", ha.LSN)
	}
	return out.String()
}
