// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"encoding/binary"
	"iter"

	"github.com/walmirror/walmirror/xlog"
)

// Records of Generic, by which extensions change pages (src/include/access/generic_xlog.h,
// src/backend/access/rmgrdesc/genericdesc.c). There is one kind; no server sets the info.
func genericOps(*xlog.Dialect) []op {
	return []op{{0x00, "Generic", func() Payload { return new(GenericChanges) }}}
}

// genericPages is MAX_GENERIC_XLOG_PAGES.
const genericPages = 4

// GenericChanges is changes of bytes in pages. The data of a block reference is the changes of its page; a page that has
// an image has none.
type GenericChanges struct {
	Pages [genericPages]GenericDelta // by block id
	main  GenericDelta               // always empty, but it is what the description prints
}

func (p *GenericChanges) decode(in *input) {
	p.Pages = [genericPages]GenericDelta{}
	p.main = in.rest()
	p.main.check(in)
	for i := range in.body.Blocks {
		b := &in.body.Blocks[i]
		if b.ID >= genericPages {
			in.fail("too many pages")
			return
		}
		p.Pages[b.ID] = b.Data
		p.Pages[b.ID].check(in)
	}
}

// Describe implements Payload.
func (p *GenericChanges) Describe(dst []byte, _ *Printing) []byte {
	for d, first := p.main, true; len(d) > 0; first = false {
		f, rest, ok := d.cut()
		if !ok {
			break
		}
		dst = appendFlag(dst, !first, "; ")
		dst = appendUint(dst, "offset ", f.Offset)
		dst = appendInt(dst, ", length ", len(f.Data))
		d = rest
	}
	return dst
}

// GenericDelta is the changes of a page.
//
//	{offset u16, length u16, bytes} * as many as there are
type GenericDelta []byte

// GenericFragment is bytes to be stored in a page.
type GenericFragment struct {
	Offset uint16 // in the page
	Data   []byte
}

const fragmentHead = 4

// cut takes the first fragment off.
func (d GenericDelta) cut() (f GenericFragment, rest GenericDelta, ok bool) {
	if len(d) < fragmentHead {
		return f, nil, false
	}
	end := fragmentHead + int(binary.LittleEndian.Uint16(d[2:]))
	if end > len(d) {
		return f, nil, false
	}
	return GenericFragment{binary.LittleEndian.Uint16(d), d[fragmentHead:end]}, d[end:], true
}

// check fails when the delta does not consist of fragments that fit a page.
func (d GenericDelta) check(in *input) {
	for len(d) > 0 {
		f, rest, ok := d.cut()
		if !ok {
			in.fail("fragment is longer than the record")
			return
		}
		if int(f.Offset)+len(f.Data) > in.BlockSize() {
			in.fail("fragment reaches beyond the page")
			return
		}
		d = rest
	}
}

// All gives the fragments in the order of the page.
func (d GenericDelta) All() iter.Seq[GenericFragment] {
	return func(yield func(GenericFragment) bool) {
		for d := d; len(d) > 0; {
			f, rest, ok := d.cut()
			if !ok || !yield(f) {
				return
			}
			d = rest
		}
	}
}
