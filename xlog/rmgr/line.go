// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// AppendDescription appends a record's name and description, without its block references.
func (dec *Decoder) AppendDescription(dst []byte, rec *xlog.Record) ([]byte, error) {
	payload, err := dec.Decode(rec)
	if err != nil {
		return dst, err
	}
	return dec.appendDescription(dst, rec, payload)
}

func (dec *Decoder) appendDescription(dst []byte, rec *xlog.Record, payload Payload) ([]byte, error) {
	dst = append(dst, dec.Name(rec.Rmgr, rec.Info)...)
	dst = append(dst, ' ')
	if _, unknown := payload.(*Unknown); unknown {
		return dec.describeCustom(dst, rec)
	}
	return payload.Describe(dst, &dec.Printing), nil
}

func (dec *Decoder) describeCustom(dst []byte, rec *xlog.Record) ([]byte, error) {
	if c, ok := dec.custom[rec.Rmgr]; ok && c.Describe != nil {
		return c.Describe(dst, rec, &dec.body)
	}
	if int(rec.Rmgr) >= 128 {
		dst = appendUint(dst, "rmid: ", rec.Rmgr) // default_desc in src/bin/pg_waldump/rmgrdesc.c
	}
	return dst, nil
}

// AppendLine appends what pg_waldump prints for a record, with the line's end: XLogDumpDisplayRecord in
// src/bin/pg_waldump/pg_waldump.c. With details the block references have lines of their own, as by its option -b.
func (dec *Decoder) AppendLine(dst []byte, rec *xlog.Record, details bool) ([]byte, error) {
	payload, err := dec.Decode(rec)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = appendPadded(append(dst, "rmgr: "...), dec.RmgrName(rec.Rmgr), -11)
	total := rec.TotalLen
	dst = appendNumber(append(dst, " len (rec/tot): "...), uint64(total-dec.body.ImageBytes()), 6)
	dst = appendNumber(append(dst, '/'), uint64(total), 6)
	dst = appendNumber(append(dst, ", tx: "...), uint64(rec.XID), 10)
	dst = appendLongLSN(dst, ", lsn: ", rec.LSN)
	dst = appendLongLSN(dst, ", prev ", rec.Prev)
	dst = append(dst, ", desc: "...)
	dst, err = dec.appendDescription(dst, rec, payload)
	if err != nil { // of an extension's description
		return dst[:start], err
	}
	if details {
		return dec.appendBlocks(append(dst, '\n')), nil
	}
	return append(dec.appendBlocksShort(dst), '\n'), nil
}

// appendPadded is %*s; a negative width pads on the right.
func appendPadded(dst []byte, s string, width int) []byte {
	if width > 0 {
		dst = appendSpaces(dst, width-len(s))
	}
	dst = append(dst, s...)
	return appendSpaces(dst, -width-len(s))
}

// appendNumber is %*u.
func appendNumber(dst []byte, v uint64, width int) []byte {
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], v, 10)
	return append(appendSpaces(dst, width-len(digits)), digits...)
}

func appendSpaces(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, ' ')
	}
	return dst
}

// appendBlocksShort writes the block references behind the description (XLogRecGetBlockRefInfo in xlogdesc.c).
func (dec *Decoder) appendBlocksShort(dst []byte) []byte {
	for i := range dec.body.Blocks {
		b := &dec.body.Blocks[i]
		dst = appendUint(dst, ", blkref #", b.ID)
		dst = appendRelation(dst, ": rel ", b.Rel)
		if b.Fork != xlog.MainFork {
			dst = append(append(dst, " fork "...), b.Fork.String()...)
		}
		dst = appendUint(dst, " blk ", b.Block)
		if b.HasImage() {
			dst = append(dst, " FPW"...)
			dst = appendFlag(dst, !b.Image.Apply, " for WAL verification")
		}
	}
	return dst
}

// appendBlocks writes a line for each block reference.
func (dec *Decoder) appendBlocks(dst []byte) []byte {
	for i := range dec.body.Blocks {
		b := &dec.body.Blocks[i]
		dst = appendUint(dst, "\tblkref #", b.ID)
		dst = appendRelation(dst, ": rel ", b.Rel)
		dst = append(append(dst, " fork "...), b.Fork.String()...)
		dst = appendUint(dst, " blk ", b.Block)
		if b.HasImage() {
			dst = dec.appendImage(dst, &b.Image)
		}
		dst = append(dst, '\n')
	}
	return dst
}

func (dec *Decoder) appendImage(dst []byte, img *xlog.Image) []byte {
	dst = append(dst, " (FPW"...)
	dst = appendFlag(dst, !img.Apply, " for WAL verification")
	dst = appendUint(dst, "); hole: offset: ", img.HoleOffset)
	dst = appendUint(dst, ", length: ", img.HoleLength)
	if img.Compression != xlog.NotCompressed {
		saved := dec.Dialect.BlockSize() - int(img.HoleLength) - len(img.Data)
		dst = appendInt(dst, ", compression saved: ", saved)
		if dec.Dialect.NamesCompression() {
			dst = append(append(dst, ", method: "...), img.Compression.String()...)
		}
	}
	return appendFlag(dst, dec.Dialect.EmptyLineBehindImage(), "\n")
}
