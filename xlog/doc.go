// SPDX-License-Identifier: Apache-2.0

// Package xlog holds the addresses and the codec of PostgreSQL's write-ahead log: LSN, TimelineID, segment names and
// timeline history files; Dialect, which says what the bytes of a source look like; PageHeader, RecordHeader and Body,
// which decode and encode them; Reader, which walks over a log's records and checks everything that can be checked;
// Writer, which appends records; Verifier, which checks a stream that passes by.
//
//	d, err := xlog.DialectForControl(controlVersion, catalogVersion)
//	r := xlog.NewReader(xlog.ReaderConfig{
//		Dialect: d, History: xlog.History{Timeline: 1},
//		Source: xlog.NewDirSource("pg_wal", xlog.DefaultSegmentSize), SegmentSize: xlog.DefaultSegmentSize,
//		Start: start,
//	})
//	var body xlog.Body
//	for {
//		rec, err := r.Next()
//		if errors.Is(err, xlog.ErrZeroed) {
//			break // the log ends here
//		} else if err != nil {
//			return err // torn, corrupt or not readable
//		}
//		if err := rec.Decode(&body); err != nil {
//			return err
//		}
//		fmt.Println(rec.LSN, d.RmgrName(rec.Rmgr), len(body.Blocks))
//	}
//
// The log is a sequence of segments, the segments of pages, and records lie over the pages like this:
//
//	segment  | long header, record, record, rec | short header, ord, record ... | ... |
//	record   | 24 bytes header | heads of block references | images and data | main data | 0 to 7 bytes padding
//
// page.go, record.go and body.go show the bytes of each. Records begin at multiples of 8.
//
// Decoded values hold slices of their input and own nothing; each type says how long they are valid. Nothing here
// panics on input, allocates by a length that it has not seen the bytes for, or compares version numbers: what differs
// between servers is in the Dialect.
package xlog
