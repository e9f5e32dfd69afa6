// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"strconv"

	"github.com/walmirror/walmirror/xlog"
)

// Count is how many records of some kind there were, and their bytes.
type Count struct {
	Records     uint64
	RecordBytes uint64 // without the images
	ImageBytes  uint64 // of full-page images
}

func (c *Count) add(o Count) {
	c.Records += o.Records
	c.RecordBytes += o.RecordBytes
	c.ImageBytes += o.ImageBytes
}

// Bytes are those of records and images together.
func (c Count) Bytes() uint64 { return c.RecordBytes + c.ImageBytes }

// Stats counts records as pg_waldump --stats does (src/backend/access/transam/xlogstats.c). The zero value is
// ready. It is large, and not safe for concurrent use.
//
//	var stats rmgr.Stats
//	for ... {
//		err := stats.Add(rec, &body)
//	}
//	text = stats.AppendText(nil, dec, false)
type Stats struct {
	// Begin and End are the bounds that the text of PostgreSQL 15 names: of the first record, and behind the last.
	Begin, End xlog.LSN

	counts [256][infos]Count
}

// Add counts a record. body is for its use; it need not hold the record, and does not afterwards.
func (s *Stats) Add(rec *xlog.Record, body *xlog.Body) error {
	images, err := rec.ImageBytes(body)
	if err == nil {
		s.add(rec, images)
	}
	return err
}

// AddDecoded counts a record that was decoded into body.
func (s *Stats) AddDecoded(rec *xlog.Record, body *xlog.Body) { s.add(rec, body.ImageBytes()) }

func (s *Stats) add(rec *xlog.Record, images uint32) {
	s.counts[rec.Rmgr][rec.Info>>4].add(Count{1, uint64(rec.TotalLen - images), uint64(images)})
	if s.Begin == 0 {
		s.Begin = rec.LSN
	}
	s.End = rec.End
}

// Merge adds what other counted, of records further on in the log.
func (s *Stats) Merge(other *Stats) {
	for id := range s.counts {
		for i := range s.counts[id] {
			s.counts[id][i].add(other.counts[id][i])
		}
	}
	if s.Begin == 0 {
		s.Begin = other.Begin
	}
	s.End = max(s.End, other.End)
}

// Reset forgets everything.
func (s *Stats) Reset() { *s = Stats{} }

// Rmgr is the count of a resource manager's records.
func (s *Stats) Rmgr(id xlog.RmgrID) (sum Count) {
	for i := range s.counts[id] {
		sum.add(s.counts[id][i])
	}
	return sum
}

// Record is the count of one kind of record, by the upper four bits of info.
func (s *Stats) Record(id xlog.RmgrID, info uint8) Count { return s.counts[id][info>>4] }

// Total is the count of all records.
func (s *Stats) Total() (sum Count) {
	for id := range s.counts {
		sum.add(s.Rmgr(xlog.RmgrID(id)))
	}
	return sum
}

// Row is a line of the statistics.
type Row struct {
	Rmgr  xlog.RmgrID
	Name  string // of the resource manager or RMGR/RECORD
	Count Count
}

// Rows are the statistics in the order in which they are printed: each resource manager of the dialect, seen or not,
// and the extensions' that were seen; or with perRecord each kind of record that was seen.
func (s *Stats) Rows(dec *Decoder, perRecord bool) (rows []Row) {
	for i := range s.counts {
		id := xlog.RmgrID(i)
		if !dec.Dialect.ValidRmgr(id) {
			continue
		}
		if perRecord {
			rows = append(rows, s.recordRows(dec, id)...)
			continue
		}
		row := Row{id, dec.RmgrName(id), s.Rmgr(id)}
		if !dec.Dialect.IsCustomRmgr(id) || row.Count.Records > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// transactionFlag is XLOG_XACT_HAS_INFO, which is no part of the kind of record.
const transactionFlag = 0x80

func (s *Stats) recordRows(dec *Decoder, id xlog.RmgrID) (rows []Row) {
	counts := s.counts[id]
	if id == Transaction && dec.Dialect.StatsMaskTransaction() {
		for i := transactionFlag >> 4; i < infos; i++ {
			counts[i&^(transactionFlag>>4)].add(counts[i])
			counts[i] = Count{}
		}
	}
	for i, c := range counts {
		if c.Records > 0 {
			rows = append(rows, Row{id, dec.RmgrName(id) + "/" + dec.Name(id, uint8(i)<<4), c})
		}
	}
	return rows
}

// Widths of the columns: of names, of numbers, of what stands behind a number.
const (
	nameWidth    = -27
	numberWidth  = 20
	percentWidth = 8
)

// AppendText appends the statistics as the dialect's pg_waldump --stats prints them, with perRecord those of
// --stats=record (XLogDumpDisplayStats in src/bin/pg_waldump/pg_waldump.c).
func (s *Stats) AppendText(dst []byte, dec *Decoder, perRecord bool) []byte {
	if dec.Dialect.StatsBounds() {
		if s.End == 0 {
			return dst
		}
		dst = appendLSN(dst, "WAL statistics between ", s.Begin)
		dst = append(appendLSN(dst, " and ", s.End), ":\n"...)
	}
	dst = appendHead(dst, "Type", "N", "(%)", "Record size", "(%)", "FPI size", "(%)", "Combined size", "(%)")
	dst = appendHead(dst, "----", "-", "---", "-----------", "---", "--------", "---", "-------------", "---")
	total := s.Total()
	for _, row := range s.Rows(dec, perRecord) {
		dst = row.appendText(dst, total)
	}
	dst = appendHead(dst, "", "--------", "", "--------", "", "--------", "", "--------")
	return total.appendTotal(dst)
}

// appendHead writes a line whose columns are texts.
func appendHead(dst []byte, columns ...string) []byte {
	for i, c := range columns {
		width := nameWidth
		if i > 0 {
			dst = append(dst, ' ')
			width = numberWidth - (numberWidth-percentWidth)*(1-i%2)
		}
		dst = appendPadded(dst, c, width)
	}
	return append(dst, '\n')
}

func (r *Row) appendText(dst []byte, total Count) []byte {
	dst = appendPadded(dst, r.Name, nameWidth)
	for _, column := range [][2]uint64{
		{r.Count.Records, total.Records}, {r.Count.RecordBytes, total.RecordBytes},
		{r.Count.ImageBytes, total.ImageBytes}, {r.Count.Bytes(), total.Bytes()},
	} {
		dst = appendNumber(append(dst, ' '), column[0], numberWidth)
		dst = appendPadded(append(dst, " ("...), percent(column[0], column[1]), len("100.00"))
		dst = append(dst, ')')
	}
	return append(dst, '\n')
}

// appendTotal writes the last line, whose percentages are of the line, in brackets.
func (c Count) appendTotal(dst []byte) []byte {
	const width = -9 // as long as "[100.00%]"
	dst = appendNumber(appendPadded(dst, "Total", nameWidth-1), c.Records, numberWidth)
	dst = appendPadded(append(dst, ' '), "", width)
	for _, part := range []uint64{c.RecordBytes, c.ImageBytes} {
		dst = appendNumber(dst, part, numberWidth)
		dst = appendPadded(append(dst, ' '), "["+percent(part, c.Bytes())+"%]", width)
	}
	return append(appendNumber(dst, c.Bytes(), numberWidth), " [100%]\n"...)
}

func percent(n, total uint64) string {
	p := 0.0
	if total != 0 {
		p = 100 * float64(n) / float64(total)
	}
	return strconv.FormatFloat(p, 'f', 2, 64)
}
