// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
)

// Flavour is the family a server belongs to. Servers of one flavour answer the replication protocol alike.
type Flavour uint8

// The flavours that this library knows.
const (
	PostgreSQL Flavour = iota
	Greenplum
	Cloudberry
)

// String is the product's name.
func (f Flavour) String() string {
	switch f {
	case PostgreSQL:
		return "PostgreSQL"
	case Greenplum:
		return "Greenplum"
	case Cloudberry:
		return "Cloudberry"
	}
	return fmt.Sprintf("Flavour(%d)", uint8(f))
}

// ErrUnknownDialect says that no dialect in the table fits what a server or a control file says of itself.
var ErrUnknownDialect = errors.New("unknown WAL dialect")

// Dialect says what the bytes of one source look like: a stock PostgreSQL major, Greenplum 7, the Greenplum 7
// development build of which recordings exist, or Cloudberry. It is data; decoders ask it named questions and never
// compare version numbers themselves. A Dialect is immutable and safe to share.
//
// The page magic does not tell Greenplum 7 from PostgreSQL 12, nor Cloudberry from PostgreSQL 14; the versions in
// the control file do (DialectForControl).
//
// All layouts are those of little-endian machines with 8-byte alignment, the only ones this library reads.
type Dialect struct {
	name    string
	flavour Flavour
	base    int // PostgreSQL major whose formats these are
	minor   int // release of it; 0: unknown

	pageMagic      uint16 // XLOG_PAGE_MAGIC
	pageFlags      uint16 // XLP_ALL_FLAGS
	controlVersion uint32 // PG_CONTROL_VERSION
	catalogVersion uint32 // CATALOG_VERSION_NO; 0 when releases of this dialect have different ones
	blockSize      uint32 // BLCKSZ
	walBlockSize   uint32 // XLOG_BLCKSZ
	segmentSize    SegmentSize

	relNodeSize       int    // bytes of a RelFileNode / RelFileLocator in a block reference
	image             images // meaning of the bits of bimg_info
	topXID            bool   // block id 252 exists
	overwriteInfo     uint8  // info of XLOG_OVERWRITE_CONTRECORD
	rmgrs             []string
	customRmgrs       bool   // ids 128..255 belong to extensions
	maxRecord         uint32 // longest record a server writes
	greenplumGxidWide bool   // a distributed transaction id has 64 bits
}

// images is the layout of bimg_info, the flag byte of a full-page image.
type images struct {
	hole, apply, pglz, lz4, zstd uint8
}

var (
	// Up to PostgreSQL 14: one bit says compressed, and that is pglz.
	imagesOld = images{hole: 0x01, pglz: 0x02, apply: 0x04}
	// Greenplum and Cloudberry set the same bit for a Zstandard frame.
	imagesGreenplum = images{hole: 0x01, zstd: 0x02, apply: 0x04}
	// From PostgreSQL 15 on: a bit for each method.
	imagesNew = images{hole: 0x01, apply: 0x02, pglz: 0x04, lz4: 0x08, zstd: 0x10}
)

// stockRmgrs are the resource managers of every PostgreSQL from 12 to 18, by id, as pg_waldump names them
// (src/include/access/rmgrlist.h).
var stockRmgrs = []string{
	"XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby", "Heap2",
	"Heap", "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs", "ReplicationOrigin", "Generic",
	"LogicalMessage",
}

var (
	greenplumRmgrs    = append(stockRmgrs[:len(stockRmgrs):len(stockRmgrs)], "Bitmap", "DistributedLog", "Appendonly")
	greenplumDevRmgrs = append(greenplumRmgrs[:len(greenplumRmgrs):len(greenplumRmgrs)], "MARS", "SORTHEAP", "SORTHEAP2")
)

const (
	pageFlags3 = XLPFirstIsContrecord | XLPLongHeader | XLPBkpRemovable
	pageFlags4 = pageFlags3 | XLPFirstIsOverwriteContrecord

	// maxRecordLen is XLogRecordMaxSize of PostgreSQL 16; older servers stop a little above it, at what palloc
	// can give.
	maxRecordLen = 1020 << 20
	maxPalloc    = 1<<30 - 1
)

// stock fills in what all stock majors have in common.
func stock(major int, magic uint16, control, catalog uint32) *Dialect {
	d := &Dialect{
		name: fmt.Sprintf("PostgreSQL %d", major), flavour: PostgreSQL, base: major,
		pageMagic: magic, pageFlags: pageFlags4, controlVersion: control, catalogVersion: catalog,
		blockSize: 8192, walBlockSize: 8192, segmentSize: DefaultSegmentSize,
		relNodeSize: 12, image: imagesOld, topXID: major >= 14, overwriteInfo: 0xD0,
		rmgrs: stockRmgrs, maxRecord: maxPalloc,
	}
	if major >= 15 {
		d.image, d.customRmgrs = imagesNew, true
	}
	if major >= 16 {
		d.maxRecord = maxRecordLen
	}
	return d
}

// greenplumOn turns the stock dialect of a Greenplum's base into the Greenplum's.
func greenplumOn(base *Dialect, name string, f Flavour, control, catalog uint32) *Dialect {
	d := *base
	d.name, d.flavour, d.controlVersion, d.catalogVersion = name, f, control, catalog
	d.blockSize, d.walBlockSize, d.segmentSize = 32768, 32768, GreenplumSegmentSize
	d.image, d.rmgrs, d.overwriteInfo = imagesGreenplum, greenplumRmgrs, 0xE0
	d.greenplumGxidWide = true
	return &d
}

// The dialects. XLP_FIRST_IS_OVERWRITE_CONTRECORD came with 14 and was carried back into the minor releases of 12
// and 13, so every stock dialect accepts it.
var (
	Postgres12 = stock(12, 0xD101, 1201, 201909212)
	Postgres13 = stock(13, 0xD106, 1300, 202007201)
	Postgres14 = stock(14, 0xD10D, 1300, 202107181)
	Postgres15 = stock(15, 0xD110, 1300, 202209061)
	Postgres16 = stock(16, 0xD113, 1300, 202307071)
	Postgres17 = stock(17, 0xD116, 1700, 202406281)
	Postgres18 = stock(18, 0xD118, 1800, 202506291)

	// Greenplum7 is the released Greenplum 7.
	Greenplum7 = greenplumOn(Postgres12, "Greenplum 7", Greenplum, 12010700, 302307241)
	// Greenplum7Dev is the development build of Greenplum 7 (December 2020) that the recorded clusters ran.
	Greenplum7Dev = greenplum7Dev()
	// CloudberryDB is Cloudberry 1 and 2.
	CloudberryDB = cloudberry()
)

func greenplum7Dev() *Dialect {
	d := greenplumOn(Postgres12, "Greenplum 7 development build 302012031", Greenplum, 12010700, 302012031)
	d.pageFlags, d.rmgrs, d.greenplumGxidWide = pageFlags3, greenplumDevRmgrs, false
	return d
}

func cloudberry() *Dialect {
	d := greenplumOn(Postgres14, "Cloudberry", Cloudberry, 13000700, 0)
	d.relNodeSize, d.customRmgrs = 16, true
	return d
}

var dialects = []*Dialect{
	Postgres12, Postgres13, Postgres14, Postgres15, Postgres16, Postgres17, Postgres18,
	Greenplum7, Greenplum7Dev, CloudberryDB,
}

// Dialects lists every dialect of the table.
func Dialects() []*Dialect { return append([]*Dialect(nil), dialects...) }

// DialectForVersion finds the stock dialect of a server_version_num such as 150018. It cannot know Greenplum, whose
// server_version_num is that of its base: see DialectForServer.
func DialectForVersion(serverVersionNum int) (*Dialect, error) {
	return DialectForServer(PostgreSQL, serverVersionNum)
}

// DialectForServer finds the dialect of a server of which the flavour is known. serverVersionNum is its
// server_version_num, of Greenplum and Cloudberry too.
func DialectForServer(f Flavour, serverVersionNum int) (*Dialect, error) {
	for _, d := range dialects {
		if d.flavour == f && d.base == serverVersionNum/10000 {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%w: %s with server_version_num %d", ErrUnknownDialect, f, serverVersionNum)
}

// DialectForControl finds the dialect of a control file from its pg_control_version (offset 8) and
// catalog_version_no (offset 12). Builds between releases, whose formats may be anything, are unknown.
func DialectForControl(controlVersion, catalogVersion uint32) (*Dialect, error) {
	for _, d := range dialects {
		if d.controlVersion == controlVersion && d.acceptsCatalog(catalogVersion) {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%w: control file version %d with catalog version %d", ErrUnknownDialect,
		controlVersion, catalogVersion)
}

// acceptsCatalog: a Cloudberry is told by its control version alone. The catalog of a Greenplum 7 release moves
// forward without changing the WAL.
func (d *Dialect) acceptsCatalog(v uint32) bool {
	switch d {
	case CloudberryDB:
		return true
	case Greenplum7:
		return v >= d.catalogVersion
	}
	return v == d.catalogVersion
}

// WithServerVersion is the dialect of one release, given as server_version_num: bytes in the log do not depend on it, but
// what redo leaves does in a few places. A number of another major version, or 0, changes nothing.
func (d *Dialect) WithServerVersion(num int) *Dialect {
	if num/10000 != d.base || d.flavour != PostgreSQL {
		return d
	}
	release := *d
	release.minor = num % 10000
	return &release
}

// WithBlockSizes is d for a server compiled with other block sizes than usual, both in bytes.
func (d *Dialect) WithBlockSizes(block, walBlock uint32) (*Dialect, error) {
	if !validBlockSize(block, 32<<10) || !validBlockSize(walBlock, 64<<10) {
		return nil, fmt.Errorf("invalid block sizes %d and %d", block, walBlock)
	}
	if block == d.blockSize && walBlock == d.walBlockSize {
		return d, nil
	}
	c := *d
	c.blockSize, c.walBlockSize = block, walBlock
	return &c, nil
}

func validBlockSize(n, limit uint32) bool { return n >= 1024 && n <= limit && n&(n-1) == 0 }

// Name tells the dialect apart from every other.
func (d *Dialect) Name() string { return d.name }

// String is Name.
func (d *Dialect) String() string { return d.name }

// Flavour is the family of the servers that write this dialect.
func (d *Dialect) Flavour() Flavour { return d.flavour }

// Base is the PostgreSQL major whose formats the dialect has, but for what other questions answer.
func (d *Dialect) Base() int { return d.base }

// PageMagic is xlp_magic of every WAL page.
func (d *Dialect) PageMagic() uint16 { return d.pageMagic }

// ControlVersion is pg_control_version.
func (d *Dialect) ControlVersion() uint32 { return d.controlVersion }

// CatalogVersion is catalog_version_no, or 0 when it does not belong to the dialect.
func (d *Dialect) CatalogVersion() uint32 { return d.catalogVersion }

// BlockSize is the size in bytes of a page of a relation, BLCKSZ.
func (d *Dialect) BlockSize() int { return int(d.blockSize) }

// WALBlockSize is the size in bytes of a page of the log, XLOG_BLCKSZ.
func (d *Dialect) WALBlockSize() int { return int(d.walBlockSize) }

// SegmentSize is what initdb chooses when nobody says otherwise.
func (d *Dialect) SegmentSize() SegmentSize { return d.segmentSize }

// RelNodeSize is the length in bytes of a relation's address in records: 12, or 16 where the file number has 64 bits.
func (d *Dialect) RelNodeSize() int { return d.relNodeSize }

// MaxRecordLen is the length in bytes of the longest record.
func (d *Dialect) MaxRecordLen() uint32 { return d.maxRecord }

// OverwriteContrecordInfo is the info byte of XLOG_OVERWRITE_CONTRECORD.
func (d *Dialect) OverwriteContrecordInfo() uint8 { return d.overwriteInfo }

// WideGxid tells whether distributed transaction ids have 64 bits. It says nothing about stock PostgreSQL.
func (d *Dialect) WideGxid() bool { return d.greenplumGxidWide }

// RmgrID is the number of a resource manager (RmgrId).
type RmgrID uint8

// Resource managers that the framing of the log itself needs to know.
const RmXLOG RmgrID = 0

// minCustomRmgr is RM_MIN_CUSTOM_ID.
const minCustomRmgr RmgrID = 128

// ValidRmgr tells whether a record may belong to resource manager id (RmgrIdIsValid).
func (d *Dialect) ValidRmgr(id RmgrID) bool {
	return int(id) < len(d.rmgrs) || d.customRmgrs && id >= minCustomRmgr
}

// RmgrName is the resource manager's name as pg_waldump prints it.
func (d *Dialect) RmgrName(id RmgrID) string {
	if int(id) < len(d.rmgrs) {
		return d.rmgrs[id]
	}
	if d.customRmgrs && id >= minCustomRmgr {
		return fmt.Sprintf("custom%03d", id)
	}
	return fmt.Sprintf("UNKNOWN (%d)", id)
}
