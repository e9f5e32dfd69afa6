// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// trait is a field that only some control files have.
type trait uint8

const (
	hasCheckPointWalLevel trait = 1 << iota // CheckPoint.wal_level
	hasNextGxid                             // CheckPoint.nextGxid
	hasRelfilenode32                        // CheckPoint.nextRelfilenode of four bytes
	hasRelfilenode64                        // CheckPoint.nextRelfilenode of eight bytes
	hasFloat4ByVal
	hasCharSignedness
)

// layout says which fields the control files of a version have. The fields' order never changed and the compiler
// aligns each to its own size, so their offsets follow.
type layout struct {
	control uint32 // pg_control_version
	catalog uint32 // catalog_version_no; 0 means any other
	has     trait
}

// Version numbers that tell Greenplum's control files apart.
const (
	greenplum6Control    = 9420600
	greenplum7Control    = 12010700
	greenplum7DevCatalog = 302012031
	cloudberryControl    = 13000700
)

// The first entry that fits counts.
var layouts = []layout{
	{control: 1201, has: hasFloat4ByVal},        // PostgreSQL 12
	{control: 1300},                             // 13 to 16
	{control: 1700, has: hasCheckPointWalLevel}, // 17
	{control: 1800, has: hasCheckPointWalLevel | hasCharSignedness},
	{control: greenplum7Control, catalog: greenplum7DevCatalog, has: hasRelfilenode32 | hasFloat4ByVal},
	{control: greenplum7Control, has: hasNextGxid | hasRelfilenode32 | hasFloat4ByVal},
	{control: cloudberryControl, has: hasNextGxid | hasRelfilenode64},
}

func findLayout(control, catalog uint32) (layout, bool) {
	for _, l := range layouts {
		if l.control == control && (l.catalog == 0 || l.catalog == catalog) {
			return l, true
		}
	}
	return layout{}, false
}

// layoutOf finds the layout of a control file by the two version numbers, which stand at the same place in all.
func layoutOf(p []byte) (layout, error) {
	if len(p) < 16 {
		return layout{}, fmt.Errorf("%w: %d bytes", ErrControlCorrupt, len(p))
	}
	control := binary.LittleEndian.Uint32(p[8:])
	catalog := binary.LittleEndian.Uint32(p[12:])
	if l, ok := findLayout(control, catalog); ok {
		return l, nil
	}
	swapped := bits.ReverseBytes32(control)
	switch _, known := findLayout(swapped, bits.ReverseBytes32(catalog)); {
	case known, control != 0 && control%65536 == 0:
		return layout{}, fmt.Errorf("%w: version %d (0x%08X): written by a machine of the other byte order (%d there)",
			ErrControlUnsupported, control, control, swapped)
	case control == greenplum6Control:
		return layout{}, fmt.Errorf("%w: version %d is Greenplum 6; Greenplum 7 and later are read",
			ErrControlUnsupported, control)
	case control == 0:
		return layout{}, fmt.Errorf("%w: version 0", ErrControlCorrupt)
	}
	return layout{}, fmt.Errorf("%w: version %d, catalog version %d", ErrControlUnsupported, control, catalog)
}

// walk moves every field of c out of or into w's bytes, in the file's order.
func (c *ControlFile) walk(w *walker, l layout) {
	w.u64(&c.SystemIdentifier)
	w.u32(&c.PgControlVersion)
	w.u32(&c.CatalogVersionNo)
	w.u32((*uint32)(&c.State))
	w.i64(&c.Time)
	w.u64((*uint64)(&c.CheckPoint))
	c.CheckPointCopy.walk(w, l.has)
	w.u64((*uint64)(&c.UnloggedLSN))
	w.u64((*uint64)(&c.MinRecoveryPoint))
	w.u32((*uint32)(&c.MinRecoveryPointTLI))
	w.u64((*uint64)(&c.BackupStartPoint))
	w.u64((*uint64)(&c.BackupEndPoint))
	w.bool(&c.BackupEndRequired)
	w.u32((*uint32)(&c.WalLevel))
	w.bool(&c.WalLogHints)
	w.i32(&c.MaxConnections)
	w.i32(&c.MaxWorkerProcesses)
	w.i32(&c.MaxWalSenders)
	w.i32(&c.MaxPreparedXacts)
	w.i32(&c.MaxLocksPerXact)
	w.bool(&c.TrackCommitTimestamp)
	w.u32(&c.MaxAlign)
	w.f64(&c.FloatFormat)
	w.u32(&c.Blcksz)
	w.u32(&c.RelsegSize)
	w.u32(&c.XlogBlcksz)
	w.u32(&c.XlogSegSize)
	w.u32(&c.NameDataLen)
	w.u32(&c.IndexMaxKeys)
	w.u32(&c.ToastMaxChunkSize)
	w.u32(&c.Loblksize)
	if l.has&hasFloat4ByVal != 0 {
		w.bool(&c.Float4ByVal)
	}
	w.bool(&c.Float8ByVal)
	w.u32(&c.DataChecksumVersion)
	if l.has&hasCharSignedness != 0 {
		w.bool(&c.DefaultCharSignedness)
	}
	w.bytes(c.MockAuthenticationNonce[:])
	w.align(4) // where the CRC stands
}

func (c *CheckPoint) walk(w *walker, has trait) {
	w.u64((*uint64)(&c.Redo))
	w.u32((*uint32)(&c.ThisTimeLineID))
	w.u32((*uint32)(&c.PrevTimeLineID))
	w.bool(&c.FullPageWrites)
	if has&hasCheckPointWalLevel != 0 {
		w.u32((*uint32)(&c.WalLevel))
	}
	w.u64(&c.NextXid)
	if has&hasNextGxid != 0 {
		w.u64(&c.NextGxid)
	}
	w.u32(&c.NextOid)
	switch {
	case has&hasRelfilenode32 != 0:
		n := uint32(c.NextRelfilenode)
		w.u32(&n)
		c.NextRelfilenode = uint64(n)
	case has&hasRelfilenode64 != 0:
		w.u64(&c.NextRelfilenode)
	}
	w.u32(&c.NextMulti)
	w.u32(&c.NextMultiOffset)
	w.u32(&c.OldestXid)
	w.u32(&c.OldestXidDB)
	w.u32(&c.OldestMulti)
	w.u32(&c.OldestMultiDB)
	w.i64(&c.Time)
	w.u32(&c.OldestCommitTsXid)
	w.u32(&c.NewestCommitTsXid)
	w.u32(&c.OldestActiveXid)
	w.align(8)
}

// walker goes over a C struct field by field, reading or writing, with the alignment of a 64-bit machine. Reading
// past the end sets short and leaves the fields as they are.
type walker struct {
	buf   []byte
	off   int
	write bool
	short bool
}

func (w *walker) align(n int) { w.off = (w.off + n - 1) &^ (n - 1) }

// take is the place of the next field of n bytes, aligned to a; nil past the end.
func (w *walker) take(n, a int) []byte {
	w.align(a)
	if w.off+n > len(w.buf) {
		w.short = true
		return nil
	}
	p := w.buf[w.off : w.off+n]
	w.off += n
	return p
}

func (w *walker) u64(v *uint64) {
	p := w.take(8, 8)
	switch {
	case p == nil:
	case w.write:
		binary.LittleEndian.PutUint64(p, *v)
	default:
		*v = binary.LittleEndian.Uint64(p)
	}
}

func (w *walker) u32(v *uint32) {
	p := w.take(4, 4)
	switch {
	case p == nil:
	case w.write:
		binary.LittleEndian.PutUint32(p, *v)
	default:
		*v = binary.LittleEndian.Uint32(p)
	}
}

func (w *walker) i64(v *int64) {
	u := uint64(*v)
	w.u64(&u)
	*v = int64(u)
}

func (w *walker) i32(v *int32) {
	u := uint32(*v)
	w.u32(&u)
	*v = int32(u)
}

func (w *walker) f64(v *float64) {
	u := math.Float64bits(*v)
	w.u64(&u)
	*v = math.Float64frombits(u)
}

func (w *walker) bool(v *bool) {
	p := w.take(1, 1)
	switch {
	case p == nil:
	case !w.write:
		*v = p[0] != 0
	case *v:
		p[0] = 1
	default:
		p[0] = 0
	}
}

func (w *walker) bytes(v []byte) {
	p := w.take(len(v), 1)
	if w.write {
		copy(p, v)
	} else {
		copy(v, p)
	}
}
