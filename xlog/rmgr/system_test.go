// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// cat puts little-endian numbers, texts and bytes one behind the other.
func cat(t testing.TB, parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch v := part.(type) {
		case string:
			b = append(b, v...)
		default:
			var err error
			b, err = binary.Append(b, binary.LittleEndian, v)
			require.NoError(t, err)
		}
	}
	return b
}

// decodeMade decodes a record made of parts.
func decodeMade(t testing.TB, d *xlog.Dialect, id xlog.RmgrID, info uint8, body xlog.Body) (Payload, string, error) {
	b := xlogtest.NewBuilder(d, d.SegmentSize(), xlog.LSN(d.SegmentSize()))
	b.Insert(xlogtest.Record{Rmgr: id, Info: info, Body: body})
	r := xlog.NewReader(xlog.ReaderConfig{
		Dialect: d, History: xlog.History{Timeline: 1}, Source: b.Files().Source(d.SegmentSize()), Start: b.Start(),
	})
	rec, err := r.Next()
	require.NoError(t, err)
	dec := NewDecoder(d)
	dec.Location = time.UTC
	payload, err := dec.Decode(rec)
	if err != nil {
		return nil, "", err
	}
	text, err := dec.AppendDescription(nil, rec)
	require.NoError(t, err)
	return payload, string(text), nil
}

// What stock servers write nowhere, and what Greenplum and Cloudberry write.
func TestSystemText(t *testing.T) {
	checkpoint := []any{
		uint64(0x1_00000028), uint32(1), uint32(1), uint8(1), make([]byte, 7), uint64(0x2_00000007), // redo to nextXid
	}
	rest := []any{
		uint32(3), uint32(4), uint32(5), uint32(6), uint32(7), uint32(8), // nextMulti to oldestMultiDB
	}
	end := []any{uint64(99), uint32(10), uint32(11), uint32(12), uint32(0)} // time to oldestActiveXid
	join := func(parts ...[]any) []byte {
		var all []any
		for _, p := range parts {
			all = append(all, p...)
		}
		return cat(t, all...)
	}
	const head, tail = "CHECKPOINT_ONLINE redo 1/28; tli 1; prev tli 1; fpw true; xid 2:7; ",
		"multi 3; offset 4; oldest xid 5 in DB 6; oldest multi 7 in DB 8; oldest/newest commit timestamp xid: 10/11; " +
			"oldest running xid 12; online"
	pad4 := make([]byte, 4)
	for _, c := range []struct {
		dialect *xlog.Dialect
		rmgr    xlog.RmgrID
		info    uint8
		main    []byte
		want    string
	}{
		{xlog.Postgres12, XLOG, 0x20, []byte("anything"), "NOOP "},
		{xlog.Postgres12, XLOG, 0x10, join(checkpoint, []any{uint32(9)}, rest, []any{pad4}, end), head + "oid 9; " + tail},
		{xlog.Greenplum7Dev, XLOG, 0x10,
			join(checkpoint, []any{uint32(9), uint32(13)}, rest, end,
				[]any{int32(2), "1600000000-0000000005", uint8(0), uint16(0), uint32(5), make([]byte, 24), uint32(6)}),
			head + "oid 9; relfilenode 13; " + tail +
				", checkpoint record data length = 148, DTX committed count 2, DTX data length 60"},
		{xlog.Greenplum7, XLOG, 0x10,
			join(checkpoint, []any{uint64(1 << 40), uint32(9), uint32(13)}, rest, end,
				[]any{int32(2), pad4, uint64(1 << 33), uint64(6)}),
			head + "oid 9; relfilenode 13; " + tail +
				", checkpoint record data length = 120, DTX committed count 2, DTX data length 24"},
		{xlog.CloudberryDB, XLOG, 0x10,
			join(checkpoint, []any{uint64(1 << 40), uint32(9), pad4, uint64(13)}, rest, end, []any{int32(0), pad4}),
			head + "gxid 1099511627776; oid 9; relfilenode 13; " + tail +
				", checkpoint record data length = 112, DTX committed count 0, DTX data length 8"},
		{xlog.Greenplum7, XLOG, 0x10, join(checkpoint, []any{uint64(1 << 40), uint32(9), uint32(13)}, rest, end),
			head + "oid 9; relfilenode 13; " + tail},
		{xlog.Greenplum7Dev, XLOG, 0xC0, cat(t, uint32(24576)), "NEXTRELFILENODE 24576"},
		{xlog.CloudberryDB, XLOG, 0xC0, cat(t, uint64(1<<33)), "NEXTRELFILENODE 8589934592"},
		{xlog.Greenplum7, XLOG, 0xD0, cat(t, uint64(1<<33)), "NEXTGXID 8589934592"},
		{xlog.Greenplum7Dev, XLOG, 0xD0, cat(t, uint64(1)), "UNKNOWN (d0) "},
		{xlog.Greenplum7, XLOG, 0xE0, cat(t, uint64(0x1_00000028), int64(0)),
			"OVERWRITE_CONTRECORD lsn 1/28; time 2000-01-01 00:00:00.000000 UTC"},
		{xlog.Greenplum7Dev, XLOG, 0xE0, cat(t, uint64(0x1_00000028), int64(0)), "UNKNOWN (e0) "},
		{xlog.Postgres16, XLOG, 0xE0, cat(t, int32(1)), "UNKNOWN (e0) "},
		{xlog.Postgres17, XLOG, 0xE0, cat(t, int32(7)), "CHECKPOINT_REDO wal_level ?"},
		{xlog.Greenplum7, Storage, 0x10, cat(t, [3]uint32{1663, 5, 16384}, int32(3), int32(1)), "CREATE base/5/16384_init"},
		{xlog.CloudberryDB, Storage, 0x10, cat(t, [2]uint32{1664, 0}, uint64(1<<33), int32(0), int32(1)),
			"CREATE global/8589934592; smgr: ao"},
		{xlog.CloudberryDB, Storage, 0x10, cat(t, [2]uint32{1663, 5}, uint64(7), int32(1), int32(0)),
			"CREATE base/5/7_fsm; smgr: heap"},
		{xlog.CloudberryDB, Storage, 0x20, cat(t, uint64(9), [2]uint32{1663, 5}, uint64(7), int32(7)),
			"TRUNCATE base/5/7 to 9 blocks flags 7"},
		{xlog.Postgres12, CommitTs, 0x20, cat(t, int64(1), uint16(3), uint16(0), [3]uint32{700, 701, 702}),
			"SETTS set 2000-01-01 00:00:00.000001 UTC/3 for: 700, 701, 702"},
		{xlog.Postgres14, CommitTs, 0x20, cat(t, int64(1), uint16(3), uint16(0), uint32(700)), "UNKNOWN (20) "},
		{xlog.Greenplum7, Database, 0x10, cat(t, uint32(5), uint32(1663)), "DROP dir 1663/5"},
		{xlog.CloudberryDB, Database, 0x10, cat(t, uint32(5), int32(2), uint32(1663), uint32(9)), "DROP dir 1663/5 9/5"},
		{xlog.Postgres15, MultiXact, 0x20, cat(t, uint32(1), uint32(2), int32(1), uint32(700), uint32(6)),
			"CREATE_ID 1 offset 2 nmembers 1: 700 (unk) "},
		{xlog.Postgres13, LogicalMessage, 0, cat(t, uint64(5), uint64(2), uint64(3), "p\x00abc"),
			"MESSAGE nontransactional message size 3 bytes"},
		{xlog.Postgres15, Generic, 0, cat(t, uint16(7), uint16(1), "a", uint16(9), uint16(2), "bc"),
			"Generic offset 7, length 1; offset 9, length 2"},
		{xlog.Postgres15, Standby, 0x10, cat(t, int32(1), int32(1), uint32(1), [3]uint32{9, 7, 8}, [2]uint32{7, 8}),
			"RUNNING_XACTS nextXid 9 latestCompletedXid 8 oldestRunningXid 7; 1 xacts: 7; subxid ovf"},
		{xlog.Postgres16, Standby, 0x10, cat(t, int32(1), int32(1), uint32(1), [3]uint32{9, 7, 8}, [2]uint32{7, 8}),
			"RUNNING_XACTS nextXid 9 latestCompletedXid 8 oldestRunningXid 7; 1 xacts: 7; subxid overflowed; " +
				"1 subxacts: 8"},
	} {
		_, text, err := decodeMade(t, c.dialect, c.rmgr, c.info, xlog.Body{Main: c.main})
		require.NoError(t, err, "%s: %s", c.dialect, c.want)
		require.Equal(t, c.want, text, c.dialect)
	}
}

// Distributed transactions at the end of checkpoints, in both layouts.
func TestDistributedCommits(t *testing.T) {
	dev := cat(t, make([]byte, 88), int32(2), "1600000000-0000000005\x00", uint16(0), uint32(5), make([]byte, 24), uint32(6))
	released := cat(t, make([]byte, 96), int32(2), uint32(0), uint64(5), uint64(1<<40))
	for _, c := range []struct {
		dialect *xlog.Dialect
		main    []byte
		gxids   []uint64
		gid     string
	}{
		{xlog.Greenplum7Dev, dev, []uint64{5, 6}, "1600000000-0000000005"},
		{xlog.Greenplum7, released, []uint64{5, 1 << 40}, ""},
	} {
		p, _, err := decodeMade(t, c.dialect, XLOG, 0, xlog.Body{Main: c.main})
		require.NoError(t, err)
		list := p.(*CheckPoint).Distributed
		require.Equal(t, len(c.gxids), list.Len())
		for i, want := range c.gxids {
			gxid, gid := list.At(i)
			require.Equal(t, want, gxid)
			if i == 0 {
				require.Equal(t, c.gid, string(gid))
			}
		}
	}
}

// Relation maps, with file numbers of both widths.
func TestRelMapMappings(t *testing.T) {
	head := []any{uint32(5), uint32(1663)}
	for _, c := range []struct {
		dialect *xlog.Dialect
		file    []byte
		number  uint64
	}{
		{xlog.Postgres15, cat(t, uint32(RelMapMagic), int32(1), uint32(1259), uint32(16400), make([]byte, 61*8+8)), 16400},
		{xlog.CloudberryDB, cat(t, uint32(RelMapMagic), int32(1), uint64(1259), uint64(1<<34), make([]byte, 64)), 1 << 34},
	} {
		main := cat(t, append(head, int32(len(c.file)), c.file)...)
		p, _, err := decodeMade(t, c.dialect, RelMap, 0, xlog.Body{Main: main})
		require.NoError(t, err)
		update := p.(*RelMapUpdate)
		require.Equal(t, c.file, update.File)
		require.Equal(t, 1, update.Mappings.Len())
		oid, number := update.Mappings.At(0)
		require.Equal(t, uint32(1259), oid)
		require.Equal(t, c.number, number)
	}
}

// The changes of pages in Generic records.
func TestGenericDeltas(t *testing.T) {
	rel := xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 16384}
	block := func(id uint8, parts ...any) xlog.BlockRef {
		return xlog.BlockRef{ID: id, Flags: xlog.BlockHasData, Rel: rel, Block: uint32(id), Data: cat(t, parts...)}
	}
	p, text, err := decodeMade(t, xlog.Postgres15, Generic, 0, xlog.Body{Blocks: []xlog.BlockRef{
		block(0, uint16(24), uint16(3), "abc", uint16(8191), uint16(1), "z"),
		block(2, uint16(0), uint16(0)),
	}})
	require.NoError(t, err)
	require.Equal(t, "Generic ", text)
	page := make([]byte, 8192)
	for f := range p.(*GenericChanges).Pages[0].All() {
		copy(page[f.Offset:], f.Data)
	}
	require.Equal(t, "abc", string(page[24:27]))
	require.Equal(t, byte('z'), page[8191])
	require.Empty(t, p.(*GenericChanges).Pages[1])

	for _, b := range []xlog.BlockRef{
		block(0, uint16(24), uint16(4), "abc"), block(0, uint16(24)), block(0, uint16(8191), uint16(2), "zz"),
		block(4, uint16(0), uint16(0)),
	} {
		_, _, err := decodeMade(t, xlog.Postgres15, Generic, 0, xlog.Body{Blocks: []xlog.BlockRef{b}})
		require.ErrorIs(t, err, xlog.ErrCorrupt)
	}
}

// Payloads that do not hold what they say.
func TestSystemMalformed(t *testing.T) {
	for _, c := range []struct {
		rmgr   xlog.RmgrID
		info   uint8
		main   []byte
		reason string
	}{
		{XLOG, 0x00, make([]byte, 79), "too short at offset"},
		{XLOG, 0x70, make([]byte, 71), "too short at offset"},
		{XLOG, 0x60, make([]byte, 25), "too short at offset"},
		{Storage, 0x10, cat(t, [3]uint32{1663, 5, 16384}, int32(4)), "unknown fork at offset"},
		{Storage, 0x10, cat(t, [3]uint32{1663, 5, 16384}, int32(-1)), "unknown fork at offset"},
		{Database, 0x20, cat(t, uint32(5), int32(2), uint32(1)), "count is larger than the record at offset"},
		{Database, 0x20, cat(t, uint32(5), int32(-1)), "count is larger than the record at offset"},
		{Tablespace, 0x00, cat(t, uint32(5), "/no/end"), "unterminated string at offset"},
		{MultiXact, 0x20, cat(t, [2]uint32{1, 2}, int32(1), uint32(7)), "count is larger than the record at offset"},
		{RelMap, 0x00, cat(t, [2]uint32{5, 1663}, int32(600), make([]byte, 512)), "count is larger"},
		{RelMap, 0x00, cat(t, [2]uint32{5, 1663}, int32(8), make([]byte, 8)), "not a relation map"},
		{RelMap, 0x00, cat(t, [2]uint32{5, 1663}, int32(8), uint32(RelMapMagic), int32(1)), "count is larger"},
		{Standby, 0x00, cat(t, int32(1<<30), make([]byte, 12)), "count is larger than the record"},
		{Standby, 0x10, cat(t, int32(1), int32(1<<30), make([]byte, 20)), "count is larger than the record"},
		{Standby, 0x20, cat(t, make([]byte, 12), int32(1)), "count is larger than the record"},
		{Sequence, 0x00, make([]byte, 12), "too short for a sequence's row"},
		{Sequence, 0x00, append(make([]byte, 12+22), bytes.Repeat([]byte{24}, 18)...), "too short for a sequence's row"},
		{LogicalMessage, 0x00, cat(t, uint64(0), int64(-1), int64(1)), "count is larger than the record"},
		{LogicalMessage, 0x00, cat(t, uint64(0), int64(0), int64(1), "x"), "the prefix has no end"},
		{LogicalMessage, 0x00, cat(t, uint64(0), int64(1), int64(1), "xy"), "the prefix has no end"},
		{Generic, 0x00, cat(t, uint16(0), uint16(1)), "fragment is longer than the record"},
		{ReplicationOrigin, 0x00, make([]byte, 10), "too short"},
	} {
		_, _, err := decodeMade(t, xlog.Postgres15, c.rmgr, c.info, xlog.Body{Main: c.main})
		require.ErrorIs(t, err, xlog.ErrCorrupt, c.reason)
		require.ErrorContains(t, err, c.reason)
		require.ErrorContains(t, err, xlog.Postgres15.RmgrName(c.rmgr))
	}
}

func FuzzTablespace(f *testing.F) {
	f.Add(uint8(0), []byte("\x05\x40\x00\x00/space\x00"), []byte{}, []byte{})
	fuzzPayloads(f, Tablespace)
}

func FuzzXLOG(f *testing.F)              { fuzzPayloads(f, XLOG) }
func FuzzStorage(f *testing.F)           { fuzzPayloads(f, Storage) }
func FuzzCLOG(f *testing.F)              { fuzzPayloads(f, CLOG) }
func FuzzDatabase(f *testing.F)          { fuzzPayloads(f, Database) }
func FuzzMultiXact(f *testing.F)         { fuzzPayloads(f, MultiXact) }
func FuzzRelMap(f *testing.F)            { fuzzPayloads(f, RelMap) }
func FuzzStandby(f *testing.F)           { fuzzPayloads(f, Standby) }
func FuzzSequence(f *testing.F)          { fuzzPayloads(f, Sequence) }
func FuzzCommitTs(f *testing.F)          { fuzzPayloads(f, CommitTs) }
func FuzzReplicationOrigin(f *testing.F) { fuzzPayloads(f, ReplicationOrigin) }
func FuzzGeneric(f *testing.F)           { fuzzPayloads(f, Generic) }
func FuzzLogicalMessage(f *testing.F)    { fuzzPayloads(f, LogicalMessage) }
