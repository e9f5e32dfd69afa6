// SPDX-License-Identifier: Apache-2.0

package rmgr

// HeapTuple is a tuple as records have it, with a short header: xl_heap_header.
//
//	t_infomask2 u16, t_infomask u16, t_hoff u8
//	data of the tuple, from behind its fixed header on: null bitmap, padding, columns
type HeapTuple struct {
	Infomask2, Infomask uint16
	Hoff                uint8  // t_hoff: where the columns begin in a whole tuple; 0 when the record has no tuple
	Data                []byte // from byte 23 of the tuple on
}

// heapTuple reads a tuple that takes up the rest of the input; none when nothing is left.
func (in *input) heapTuple() (t HeapTuple) {
	if in.left() == 0 {
		return t
	}
	t.Infomask2, t.Infomask, t.Hoff = in.u16(), in.u16(), in.u8()
	t.Data = in.rest()
	return t
}

// check takes over what went wrong with the input for a block's data.
func (in *input) check(block *input) {
	if block.err != "" {
		in.fail(block.err)
	}
}

// Infobits are the bits of t_infomask and t_infomask2 that a deletion or lock sets (XLHL_*).
type Infobits uint8

// The bits.
const (
	XmaxIsMulti    Infobits = 0x01 // XLHL_XMAX_IS_MULTI
	XmaxLockOnly   Infobits = 0x02 // XLHL_XMAX_LOCK_ONLY
	XmaxExclLock   Infobits = 0x04 // XLHL_XMAX_EXCL_LOCK
	XmaxKeyShrLock Infobits = 0x08 // XLHL_XMAX_KEYSHR_LOCK
	KeysUpdated    Infobits = 0x10 // XLHL_KEYS_UPDATED
)

// appendWords appends the names of the bits, with end behind each.
func (b Infobits) appendWords(dst []byte, end string) []byte {
	for i, name := range [...]string{"IS_MULTI", "LOCK_ONLY", "EXCL_LOCK", "KEYSHR_LOCK", "KEYS_UPDATED"} {
		if b&(1<<i) != 0 {
			dst = append(append(dst, name...), end...)
		}
	}
	return dst
}

// appendArray appends "[IS_MULTI, LOCK_ONLY]" with a label that has the left bracket.
func (b Infobits) appendArray(dst []byte, label string) []byte {
	dst = append(dst, label...)
	n := len(dst)
	if dst = b.appendWords(dst, ", "); len(dst) > n {
		dst = dst[:len(dst)-len(", ")]
	}
	return append(dst, ']')
}

// appendLock is the description that DELETE, LOCK and LOCK_UPDATED share from 16 on.
func appendLock(dst []byte, xmax uint32, offset uint16, bits Infobits, flags uint8) []byte {
	dst = appendUint(dst, "xmax: ", xmax)
	dst = appendUint(dst, ", off: ", offset)
	dst = bits.appendArray(dst, ", infobits: [")
	return appendHex2(dst, ", flags: ", flags)
}

// HeapLock is xl_heap_lock: a tuple was locked. Block 0 is its page.
//
//	xmax u32, offnum u16, infobits u8, flags u8
type HeapLock struct {
	Xmax     uint32 // a transaction, or a multixact
	Offset   uint16
	Infobits Infobits
	Flags    uint8 // XLH_LOCK_*
}

func (p *HeapLock) decode(in *input) {
	p.Xmax, p.Offset, p.Infobits, p.Flags = in.u32(), in.u16(), Infobits(in.u8()), in.u8()
}

// Describe implements Payload.
func (p *HeapLock) Describe(dst []byte, pr *Printing) []byte { return p.describe(dst, pr, ": xid ") }

func (p *HeapLock) describe(dst []byte, pr *Printing, xmax string) []byte {
	if pr.Dialect.HeapTextFull() {
		return appendLock(dst, p.Xmax, p.Offset, p.Infobits, p.Flags)
	}
	dst = appendUint(dst, "off ", p.Offset)
	dst = appendUint(dst, xmax, p.Xmax)
	dst = append(appendHex2(dst, ": flags ", p.Flags), ' ')
	return p.Infobits.appendWords(dst, " ")
}

// HeapLockUpdated is xl_heap_lock_updated: a later version of a locked tuple was locked too.
type HeapLockUpdated struct {
	HeapLock
}

// Describe implements Payload.
func (p *HeapLockUpdated) Describe(dst []byte, pr *Printing) []byte {
	return p.describe(dst, pr, ": xmax ")
}
