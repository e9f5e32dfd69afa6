// SPDX-License-Identifier: Apache-2.0

// Package rmgr understands the records of every resource manager: it takes a record's payload apart into a struct and
// writes the text that PostgreSQL's own tools print for it (src/backend/access/rmgrdesc).
//
//	dec := rmgr.NewDecoder(dialect)
//	for {
//		rec, err := reader.Next()
//		...
//		payload, err := dec.Decode(rec)
//		switch p := payload.(type) {
//		case *rmgr.HeapInsert:
//			use(p.Offset, dec.Body().Blocks[0])
//		}
//		line, err = dec.AppendLine(line[:0], rec, false) // as pg_waldump prints it
//	}
//
// There is a file for each resource manager, with its payloads, how they are decoded and how they are described, side by
// side, and a table of its records by the info byte. What differs between versions the file asks the xlog.Dialect, by
// name. Payloads of records that this module writes can be turned back: Append writes the main data, Build a whole record.
//
// A payload belongs to the Decoder and is valid until its next Decode; its slices point into the record. Nothing is
// allocated for a record. A Batch has the payloads of many records at a time. Lengths and counts are checked before they
// are used: a payload that does not hold what it says is an *Error with position and offset.
package rmgr

import (
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// The resource managers (src/include/access/rmgrlist.h).
const (
	XLOG                          = xlog.RmXLOG
	Transaction       xlog.RmgrID = 1
	Storage           xlog.RmgrID = 2
	CLOG              xlog.RmgrID = 3
	Database          xlog.RmgrID = 4
	Tablespace        xlog.RmgrID = 5
	MultiXact         xlog.RmgrID = 6
	RelMap            xlog.RmgrID = 7
	Standby           xlog.RmgrID = 8
	Heap2             xlog.RmgrID = 9
	Heap              xlog.RmgrID = 10
	Btree             xlog.RmgrID = 11
	Hash              xlog.RmgrID = 12
	Gin               xlog.RmgrID = 13
	Gist              xlog.RmgrID = 14
	Sequence          xlog.RmgrID = 15
	SPGist            xlog.RmgrID = 16
	BRIN              xlog.RmgrID = 17
	CommitTs          xlog.RmgrID = 18
	ReplicationOrigin xlog.RmgrID = 19
	Generic           xlog.RmgrID = 20
	LogicalMessage    xlog.RmgrID = 21
	Bitmap            xlog.RmgrID = 22 // Greenplum's, as the two below
	DistributedLog    xlog.RmgrID = 23
	Appendonly        xlog.RmgrID = 24
)

// tables gives each resource manager's records for a dialect.
var tables = map[xlog.RmgrID]func(*xlog.Dialect) []op{
	XLOG:              xlogOps,
	Transaction:       transactionOps,
	Storage:           storageOps,
	CLOG:              clogOps,
	Database:          databaseOps,
	Tablespace:        tablespaceOps,
	MultiXact:         multiXactOps,
	RelMap:            relMapOps,
	Standby:           standbyOps,
	Heap2:             heap2Ops,
	Heap:              heapOps,
	Btree:             btreeOps,
	Hash:              hashOps,
	Gin:               ginOps,
	Gist:              gistOps,
	Sequence:          sequenceOps,
	SPGist:            spgistOps,
	BRIN:              brinOps,
	CommitTs:          commitTsOps,
	ReplicationOrigin: originOps,
	Generic:           genericOps,
	LogicalMessage:    logicalMessageOps,
	Bitmap:            bitmapOps,
	DistributedLog:    distributedLogOps,
	Appendonly:        appendonlyOps,
}

// op is one kind of record of a resource manager.
type op struct {
	info uint8          // RecordHeader.RmgrInfo: the upper four bits of xl_info
	name string         // as rm_identify gives it; empty for one that PostgreSQL does not name
	make func() Payload // a new, empty payload
}

// Payload is what a record says, taken apart. The concrete types of this package, as *HeapInsert, have the fields.
type Payload interface {
	// decode reads the payload. It keeps slices of the record, and leaves errors in the input.
	decode(in *input)
	// Describe appends what pg_waldump prints behind the record's name.
	Describe(dst []byte, p *Printing) []byte
}

// Printing says how descriptions are written.
type Printing struct {
	Dialect  *xlog.Dialect
	Location *time.Location // of points in time; pg_waldump takes the local one
}

// Custom describes the records of an extension's resource manager, id 128 to 255 (from PostgreSQL 15 on).
type Custom struct {
	ID   xlog.RmgrID
	Name string
	// Identify names a record by RmgrInfo; empty for an unknown one.
	Identify func(info uint8) string
	// Describe appends a description. It must not keep rec or body.
	Describe func(dst []byte, rec *xlog.Record, body *xlog.Body) ([]byte, error)
}

// infos is the number of values that RmgrInfo can have.
const infos = 16

// Decoder decodes and describes records of one dialect. It is not safe for concurrent use.
type Decoder struct {
	Printing
	ops    [256]*[infos]known
	custom map[xlog.RmgrID]Custom
	body   xlog.Body
	in     input
}

// known is a kind of record that the dialect has, with the payload that is used for each of them.
type known struct {
	op
	payload Payload
}

// NewDecoder makes a Decoder, for records of extensions too.
func NewDecoder(d *xlog.Dialect, custom ...Custom) *Decoder {
	dec := &Decoder{Printing: Printing{Dialect: d, Location: time.Local}, custom: map[xlog.RmgrID]Custom{}}
	for id, ops := range tables {
		if !d.ValidRmgr(id) {
			continue
		}
		table := new([infos]known)
		for _, o := range ops(d) {
			table[o.info>>4] = known{o, o.make()}
		}
		dec.ops[id] = table
	}
	for _, c := range custom {
		dec.custom[c.ID] = c
	}
	return dec
}

// Unknown is the payload of a record that this package has no struct for.
type Unknown struct {
	Main []byte
}

func (u *Unknown) decode(in *input) { u.Main = in.rest() }

// Describe appends nothing.
func (u *Unknown) Describe(dst []byte, _ *Printing) []byte { return dst }

// kind is the table's entry for a record, nil for an unknown one.
func (dec *Decoder) kind(id xlog.RmgrID, info uint8) *known {
	table := dec.ops[id]
	if table == nil || table[info>>4].payload == nil {
		return nil
	}
	return &table[info>>4]
}

// Name is the record's name as pg_waldump prints it, such as INSERT+INIT; for an unknown one "UNKNOWN (f0)".
func (dec *Decoder) Name(id xlog.RmgrID, info uint8) string {
	info &^= xlog.XLRInfoMask
	if k := dec.kind(id, info); k != nil && k.name != "" {
		return k.name
	}
	if c, ok := dec.custom[id]; ok && c.Identify != nil {
		if name := c.Identify(info); name != "" {
			return name
		}
	}
	return fmt.Sprintf("UNKNOWN (%x)", info)
}

// RmgrName is the resource manager's name.
func (dec *Decoder) RmgrName(id xlog.RmgrID) string {
	if c, ok := dec.custom[id]; ok {
		return c.Name
	}
	return dec.Dialect.RmgrName(id)
}

// Body is the payload of the record that was decoded last, in the parts that all records have: block references with
// their data and images, and the main data.
func (dec *Decoder) Body() *xlog.Body { return &dec.body }

// Decode takes a record apart. A record that the dialect's server does not know is an *Unknown. The error is an *Error,
// or an *xlog.EndError when the parts that all records have are not right.
func (dec *Decoder) Decode(rec *xlog.Record) (Payload, error) {
	if err := rec.Decode(&dec.body); err != nil {
		return nil, err
	}
	k := dec.kind(rec.Rmgr, rec.RmgrInfo())
	if k == nil {
		return &Unknown{Main: dec.body.Main}, nil
	}
	return dec.fill(k.payload, k, rec, &dec.body)
}

// fill decodes the payload of a record of kind k.
func (dec *Decoder) fill(payload Payload, k *known, rec *xlog.Record, body *xlog.Body) (Payload, error) {
	dec.in = input{Dialect: dec.Dialect, rec: rec, body: body, main: body.Main}
	payload.decode(&dec.in)
	if dec.in.err != "" {
		return nil, &Error{LSN: rec.LSN, Rmgr: dec.RmgrName(rec.Rmgr), Record: k.name, Offset: dec.in.off, Reason: dec.in.err}
	}
	return payload, nil
}

// Error says that a record's payload does not hold what its kind of record has.
type Error struct {
	LSN    xlog.LSN
	Rmgr   string
	Record string
	Offset int // in the main data, where decoding stopped
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("malformed %s %s record at %s: %s at offset %d", e.Rmgr, e.Record, e.LSN, e.Reason, e.Offset)
}

// Unwrap says that it is xlog.ErrCorrupt.
func (e *Error) Unwrap() error { return xlog.ErrCorrupt }
