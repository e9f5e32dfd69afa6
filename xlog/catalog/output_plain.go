// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// The functions here write types of one number or one string, as the files of src/backend/utils/adt that are named
// after them do.

func outBool(p *printer, _ *Type, raw []byte) error {
	if raw[0] != 0 {
		p.char('t')
	} else {
		p.char('f')
	}
	return nil
}

func outBytea(p *printer, _ *Type, raw []byte) error {
	p.str(`\x`)
	p.buf = hex.AppendEncode(p.buf, raw)
	return nil
}

// outChar writes "char". That of a byte above 127 was the byte itself until it became octal, in 16 and in the
// maintenance of 15.
func outChar(p *printer, _ *Type, raw []byte) error {
	switch c := raw[0]; {
	case c == 0:
	case c >= 0x80 && p.Major >= 15:
		p.buf = append(p.buf, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	default:
		p.char(c)
	}
	return nil
}

func outName(p *printer, _ *Type, raw []byte) error {
	p.buf = append(p.buf, cString(raw)...)
	return nil
}

// cString is what stands before the first zero byte.
func cString(raw []byte) []byte {
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		return raw[:i]
	}
	return raw
}

func outText(p *printer, _ *Type, raw []byte) error {
	p.buf = append(p.buf, raw...)
	return nil
}

func (p *printer) int(v int64)   { p.buf = strconv.AppendInt(p.buf, v, 10) }
func (p *printer) uint(v uint64) { p.buf = strconv.AppendUint(p.buf, v, 10) }

func outInt2(p *printer, _ *Type, raw []byte) error {
	p.int(int64(int16(u16(raw))))
	return nil
}

func outInt4(p *printer, _ *Type, raw []byte) error {
	p.int(int64(int32(u32(raw))))
	return nil
}

func outInt8(p *printer, _ *Type, raw []byte) error {
	p.int(int64(u64(raw)))
	return nil
}

func outUint4(p *printer, _ *Type, raw []byte) error {
	p.uint(uint64(u32(raw)))
	return nil
}

func outXID8(p *printer, _ *Type, raw []byte) error {
	p.uint(u64(raw))
	return nil
}

func outTID(p *printer, _ *Type, raw []byte) error {
	tid := bufpage.GetTID(raw)
	p.char('(')
	p.uint(uint64(tid.Block))
	p.char(',')
	p.uint(uint64(tid.Offset))
	p.char(')')
	return nil
}

func outLSN(p *printer, _ *Type, raw []byte) error {
	p.buf = xlog.LSN(u64(raw)).AppendTo(p.buf)
	return nil
}

func outUUID(p *printer, _ *Type, raw []byte) error {
	for i, c := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			p.char('-')
		}
		p.buf = hex.AppendEncode(p.buf, []byte{c})
	}
	return nil
}

func outMacaddr(p *printer, _ *Type, raw []byte) error {
	for i := range raw {
		if i > 0 {
			p.char(':')
		}
		p.buf = hex.AppendEncode(p.buf, raw[i:i+1])
	}
	return nil
}

// outSnapshot writes pg_snapshot, the former txid_snapshot (src/backend/utils/adt/xid8funcs.c):
//
//	0  nxip  u32
//	4  xmin, xmax, xip[nxip]  u64 each
func outSnapshot(p *printer, t *Type, raw []byte) error {
	if len(raw) < 20 || uint64(len(raw)-20) != 8*uint64(u32(raw)) {
		return malformed(t, "wrong number of transactions")
	}
	p.uint(u64(raw[4:]))
	p.char(':')
	p.uint(u64(raw[12:]))
	p.char(':')
	for rest := raw[20:]; len(rest) > 0; rest = rest[8:] {
		if len(rest) < len(raw)-20 {
			p.char(',')
		}
		p.uint(u64(rest))
	}
	return nil
}

// outMoney writes money as the C locale does.
func outMoney(p *printer, _ *Type, raw []byte) error {
	v := int64(u64(raw))
	n := uint64(v)
	if v < 0 {
		n = -n
		p.char('-')
	}
	p.char('$')
	digits := strconv.AppendUint(nil, n/100, 10)
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			p.char(',')
		}
		p.char(c)
	}
	p.buf = append(p.buf, '.', '0'+byte(n%100/10), '0'+byte(n%10))
	return nil
}

// outBit writes bit and bit varying: payload is the number of bits i32, then the bits, the highest of a byte first.
func outBit(p *printer, t *Type, raw []byte) error {
	if len(raw) < 4 || uint64(u32(raw)) > 8*uint64(len(raw)-4) {
		return malformed(t, "more bits than bytes have")
	}
	n := int(u32(raw))
	if err := p.room(n); err != nil {
		return err
	}
	for i := range n {
		p.char('0' + raw[4+i/8]>>(7-i%8)&1)
	}
	return nil
}

// outXML writes xml as it is stored. A server would leave the name of the encoding out of an XML declaration.
func outXML(p *printer, t *Type, raw []byte) error { return outText(p, t, raw) }
