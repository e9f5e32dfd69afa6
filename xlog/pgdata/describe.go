// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Describe prints c as pg_controldata does (src/bin/pg_controldata/pg_controldata.c), line by line, with times in loc
// and in the C locale's format.
func (c *ControlFile) Describe(loc *time.Location) string {
	l, _ := findLayout(c.PgControlVersion, c.CatalogVersionNo)
	var b strings.Builder
	for _, d := range descriptions {
		if d.has != 0 && l.has&d.has == 0 {
			continue
		}
		v := d.value(c)
		if t, ok := v.(seconds); ok {
			v = time.Unix(int64(t), 0).In(loc).Format("Mon Jan _2 15:04:05 2006")
		}
		fmt.Fprintf(&b, "%-38s%v\n", d.label+":", v)
	}
	return b.String()
}

// A description is one line of a control file's text.
type description struct {
	label string
	has   trait // printed only for a layout with one of these fields; 0 means always
	value func(c *ControlFile) any
}

var descriptions = []description{
	{"pg_control version number", 0, func(c *ControlFile) any { return c.PgControlVersion }},
	{"Catalog version number", 0, func(c *ControlFile) any { return c.CatalogVersionNo }},
	{"Database system identifier", 0, func(c *ControlFile) any { return c.SystemIdentifier }},
	{"Database cluster state", 0, func(c *ControlFile) any { return c.State }},
	{"pg_control last modified", 0, func(c *ControlFile) any { return seconds(c.Time) }},
	{"Latest checkpoint location", 0, func(c *ControlFile) any { return c.CheckPoint }},
	{"Latest checkpoint's REDO location", 0, func(c *ControlFile) any { return c.CheckPointCopy.Redo }},
	{"Latest checkpoint's REDO WAL file", 0, func(c *ControlFile) any { return c.RedoWALFile() }},
	{"Latest checkpoint's TimeLineID", 0, func(c *ControlFile) any { return c.CheckPointCopy.ThisTimeLineID }},
	{"Latest checkpoint's PrevTimeLineID", 0, func(c *ControlFile) any { return c.CheckPointCopy.PrevTimeLineID }},
	{
		"Latest checkpoint's full_page_writes", 0,
		func(c *ControlFile) any { return onOff(c.CheckPointCopy.FullPageWrites) },
	},
	{"Latest checkpoint's NextXID", 0, func(c *ControlFile) any { return fullXid(c.CheckPointCopy.NextXid) }},
	{"Latest checkpoint's NextOID", 0, func(c *ControlFile) any { return c.CheckPointCopy.NextOid }},
	{"Latest checkpoint's NextGxid", hasNextGxid, func(c *ControlFile) any { return c.CheckPointCopy.NextGxid }},
	{
		"Latest checkpoint's NextRelfilenode", hasRelfilenode32 | hasRelfilenode64,
		func(c *ControlFile) any { return c.CheckPointCopy.NextRelfilenode },
	},
	{"Latest checkpoint's NextMultiXactId", 0, func(c *ControlFile) any { return c.CheckPointCopy.NextMulti }},
	{"Latest checkpoint's NextMultiOffset", 0, func(c *ControlFile) any { return c.CheckPointCopy.NextMultiOffset }},
	{"Latest checkpoint's oldestXID", 0, func(c *ControlFile) any { return c.CheckPointCopy.OldestXid }},
	{"Latest checkpoint's oldestXID's DB", 0, func(c *ControlFile) any { return c.CheckPointCopy.OldestXidDB }},
	{"Latest checkpoint's oldestActiveXID", 0, func(c *ControlFile) any { return c.CheckPointCopy.OldestActiveXid }},
	{"Latest checkpoint's oldestMultiXid", 0, func(c *ControlFile) any { return c.CheckPointCopy.OldestMulti }},
	{"Latest checkpoint's oldestMulti's DB", 0, func(c *ControlFile) any { return c.CheckPointCopy.OldestMultiDB }},
	{"Latest checkpoint's oldestCommitTsXid", 0, func(c *ControlFile) any { return c.CheckPointCopy.OldestCommitTsXid }},
	{"Latest checkpoint's newestCommitTsXid", 0, func(c *ControlFile) any { return c.CheckPointCopy.NewestCommitTsXid }},
	{"Time of latest checkpoint", 0, func(c *ControlFile) any { return seconds(c.CheckPointCopy.Time) }},
	{"Fake LSN counter for unlogged rels", 0, func(c *ControlFile) any { return c.UnloggedLSN }},
	{"Minimum recovery ending location", 0, func(c *ControlFile) any { return c.MinRecoveryPoint }},
	{"Min recovery ending loc's timeline", 0, func(c *ControlFile) any { return c.MinRecoveryPointTLI }},
	{"Backup start location", 0, func(c *ControlFile) any { return c.BackupStartPoint }},
	{"Backup end location", 0, func(c *ControlFile) any { return c.BackupEndPoint }},
	{"End-of-backup record required", 0, func(c *ControlFile) any { return yesNo(c.BackupEndRequired) }},
	{"wal_level setting", 0, func(c *ControlFile) any { return c.WalLevel }},
	{"wal_log_hints setting", 0, func(c *ControlFile) any { return onOff(c.WalLogHints) }},
	{"max_connections setting", 0, func(c *ControlFile) any { return c.MaxConnections }},
	{"max_worker_processes setting", 0, func(c *ControlFile) any { return c.MaxWorkerProcesses }},
	{"max_wal_senders setting", 0, func(c *ControlFile) any { return c.MaxWalSenders }},
	{"max_prepared_xacts setting", 0, func(c *ControlFile) any { return c.MaxPreparedXacts }},
	{"max_locks_per_xact setting", 0, func(c *ControlFile) any { return c.MaxLocksPerXact }},
	{"track_commit_timestamp setting", 0, func(c *ControlFile) any { return onOff(c.TrackCommitTimestamp) }},
	{"Maximum data alignment", 0, func(c *ControlFile) any { return c.MaxAlign }},
	{"Database block size", 0, func(c *ControlFile) any { return c.Blcksz }},
	{"Blocks per segment of large relation", 0, func(c *ControlFile) any { return c.RelsegSize }},
	{"WAL block size", 0, func(c *ControlFile) any { return c.XlogBlcksz }},
	{"Bytes per WAL segment", 0, func(c *ControlFile) any { return c.XlogSegSize }},
	{"Maximum length of identifiers", 0, func(c *ControlFile) any { return c.NameDataLen }},
	{"Maximum columns in an index", 0, func(c *ControlFile) any { return c.IndexMaxKeys }},
	{"Maximum size of a TOAST chunk", 0, func(c *ControlFile) any { return c.ToastMaxChunkSize }},
	{"Size of a large-object chunk", 0, func(c *ControlFile) any { return c.Loblksize }},
	{"Date/time type storage", 0, func(*ControlFile) any { return "64-bit integers" }},
	{"Float4 argument passing", hasFloat4ByVal, func(c *ControlFile) any { return byValue(c.Float4ByVal) }},
	{"Float8 argument passing", 0, func(c *ControlFile) any { return byValue(c.Float8ByVal) }},
	{"Data page checksum version", 0, func(c *ControlFile) any { return c.DataChecksumVersion }},
	{
		"Default char data signedness", hasCharSignedness,
		func(c *ControlFile) any { return signed(c.DefaultCharSignedness) },
	},
	{"Mock authentication nonce", 0, func(c *ControlFile) any { return hex.EncodeToString(c.MockAuthenticationNonce[:]) }},
}

// Values that are not printed as they are.
type (
	seconds int64  // since 1970, printed in the caller's time zone
	onOff   bool   // on, off
	yesNo   bool   // yes, no
	byValue bool   // by value, by reference
	signed  bool   // signed, unsigned
	fullXid uint64 // epoch:xid
)

func (v onOff) String() string   { return choose(bool(v), "on", "off") }
func (v yesNo) String() string   { return choose(bool(v), "yes", "no") }
func (v byValue) String() string { return choose(bool(v), "by value", "by reference") }
func (v signed) String() string  { return choose(bool(v), "signed", "unsigned") }
func (x fullXid) String() string { return fmt.Sprintf("%d:%d", uint32(x>>32), uint32(x)) }

func choose(v bool, yes, no string) string {
	if v {
		return yes
	}
	return no
}

// RedoWALFile is the name of the segment in which redo begins, "???" when the segment size makes no sense.
func (c *ControlFile) RedoWALFile() string {
	size := c.SegmentSize()
	if size.Validate() != nil {
		return "???"
	}
	return size.Name(c.CheckPointCopy.ThisTimeLineID, size.Number(c.CheckPointCopy.Redo))
}
