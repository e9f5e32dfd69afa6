// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/walmirror/walmirror/xlog"
)

// missing tells whether the log ended because a file was not there.
func missing(end *xlog.EndError) bool { return end != nil && errors.Is(end, fs.ErrNotExist) }

// explain says in pg_waldump's words why there is no further record. It looks at the bytes again, and where they tell
// nothing gives the reader's own words.
func (d *dumper) explain(src *segments, end *xlog.EndError) error {
	name := d.size.Name(d.tli, d.size.Number(end.At))
	switch {
	case missing(end):
		name = d.size.Name(d.tli, d.size.Number(d.missingAt(end)))
		return fatalf("could not find file \"%s\": No such file or directory", name)
	case errors.Is(end, io.EOF):
		return fatalf("could not read from file %s, offset %d: read 0 of %d", name, d.size.Offset(end.At),
			d.dialect.WALBlockSize())
	case errors.Is(end, xlog.ErrIO):
		return fatalf("could not read from file %s, offset %d: %w", name, d.size.Offset(end.At), end.Err)
	}
	text := d.explainPage(src, end)
	if text == "" {
		text = d.explainRecord(src, end)
	}
	return fmt.Errorf("error in WAL record at %s: %s", d.last, text)
}

// missingAt is the position whose file is missing.
func (d *dumper) missingAt(end *xlog.EndError) xlog.LSN {
	if end.MissingContrecord != 0 {
		return end.MissingContrecord
	}
	return end.At
}

// explainPage finds what is wrong with a page's header, if it is that.
func (d *dumper) explainPage(src *segments, end *xlog.EndError) string {
	page := d.missingAt(end)
	if page&xlog.LSN(d.dialect.WALBlockSize()-1) != 0 {
		return ""
	}
	var h xlog.PageHeader
	head := make([]byte, xlog.LongPageHeaderSize)
	if _, err := src.ReadAt(d.tli, head, page); err != nil || h.Decode(head) != nil {
		return end.Err.Error()
	}
	place := d.pagePlace(page)
	switch {
	case h.Magic != d.dialect.PageMagic():
		return fmt.Sprintf("invalid magic number %04X in %s", h.Magic, place)
	case h.Address != page:
		return fmt.Sprintf("unexpected pageaddr %s in %s", h.Address, place)
	case end.MissingContrecord != 0 && h.Info&xlog.XLPFirstIsContrecord == 0:
		return fmt.Sprintf("there is no contrecord flag at %s", page)
	}
	return end.Err.Error()
}

// pagePlace names a page as the dialect's messages do.
func (d *dumper) pagePlace(page xlog.LSN) string {
	name, offset := d.size.Name(d.tli, d.size.Number(page)), d.size.Offset(page)
	if d.dialect.WaldumpPageLSN() {
		return fmt.Sprintf("WAL segment %s, LSN %s, offset %d", name, page, offset)
	}
	return fmt.Sprintf("log segment %s, offset %d", name, offset)
}

// explainRecord finds what is wrong with a record.
func (d *dumper) explainRecord(src *segments, end *xlog.EndError) string {
	head := make([]byte, xlog.RecordHeaderSize)
	n, err := src.ReadAt(d.tli, head, end.At)
	if n < 4 {
		return fmt.Sprint(err)
	}
	if length := binary.LittleEndian.Uint32(head); length < xlog.RecordHeaderSize {
		wanted := "wanted"
		if d.dialect.WaldumpPageLSN() {
			wanted = "expected at least"
		}
		return fmt.Sprintf("invalid record length at %s: %s %d, got %d", end.At, wanted, xlog.RecordHeaderSize, length)
	}
	var h xlog.RecordHeader
	inPage := d.dialect.WALBlockSize() - int(end.At)&(d.dialect.WALBlockSize()-1)
	if n < len(head) || inPage < len(head) || h.Decode(head) != nil {
		return end.Err.Error()
	}
	switch {
	case !d.dialect.ValidRmgr(h.Rmgr):
		return fmt.Sprintf("invalid resource manager ID %d at %s", h.Rmgr, end.At)
	case h.Prev != d.last:
		return fmt.Sprintf("record with incorrect prev-link %s at %s", h.Prev, end.At)
	}
	return fmt.Sprintf("incorrect resource manager data checksum in record at %s", end.At)
}
