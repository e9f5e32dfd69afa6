// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestSystemFields compares the fields of records with what the server itself says of the things they are about, on
// servers of every version.
func TestSystemFields(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		load := walload.Run(t, walload.Options{Major: major, Parts: []string{"heap", "system", "twophase"}})
		c := &fieldCheck{t: t, load: load, dec: NewDecoder(load.Dialect), compared: map[string]int{},
			want: map[string]string{}, sequences: map[string]string{}, maps: map[uint32]string{}}
		c.multixact()
		c.databases()
		load.SQL(t, "CHECKPOINT")
		load.End = c.flushed()
		records(t, load, c.record)
		c.checkSequences()
		c.checkMaps()
		for _, kind := range []string{"checkpoint", "multixact", "sequence", "relation map", "file", "tablespace", "database",
			"dropped database", "lock", "running", "origin", "message", "restore point"} {
			require.NotZero(t, c.compared[kind], kind)
		}
		t.Logf("compared: %v", c.compared)
	})
}

// fieldCheck gathers what records say, and counts what was compared.
type fieldCheck struct {
	t        *testing.T
	load     *walload.Load
	dec      *Decoder
	compared map[string]int

	want      map[string]string // what some record must say, by kind
	sequences map[string]string // the last record of each
	maps      map[uint32]string // the last map of each database
}

func (c *fieldCheck) value(sql string) string { return c.load.Value(c.t, sql) }

func (c *fieldCheck) flushed() xlog.LSN {
	lsn, err := xlog.ParseLSN(c.value("SELECT pg_current_wal_flush_lsn()"))
	require.NoError(c.t, err)
	return lsn
}

// multixact makes two transactions lock a row in different ways, of which the first also locks the table.
func (c *fieldCheck) multixact() {
	ctx := c.t.Context()
	one, err := c.load.Connect(ctx)
	require.NoError(c.t, err)
	defer one.Close(ctx)
	two, err := c.load.Connect(ctx)
	require.NoError(c.t, err)
	defer two.Close(ctx)
	run := func(sql string) {
		_, err := one.Exec(ctx, sql)
		require.NoError(c.t, err)
	}
	run("CREATE TABLE exclusive (a int)")
	run("BEGIN")
	run("SELECT * FROM m WHERE id = 1 FOR KEY SHARE")
	run("LOCK TABLE exclusive IN ACCESS EXCLUSIVE MODE")
	_, err = two.Exec(ctx, "BEGIN; UPDATE m SET v = 77 WHERE id = 1")
	require.NoError(c.t, err)
	c.want["multixact"] = c.value(`SELECT string_agg(xid || ' ' || mode, ', ')
		FROM m, pg_get_multixact_members(m.xmax) WHERE m.id = 1`)
	var locker string
	require.NoError(c.t, one.QueryRow(ctx, "SELECT txid_current()::text").Scan(&locker))
	c.want["running"] = locker
	c.want["lock"] = locker + c.value(`SELECT ' ' || d.oid || ' ' || c.oid
		FROM pg_database d, pg_class c WHERE datname = 'postgres' AND relname = 'exclusive'`)
	c.load.SQL(c.t, "CHECKPOINT")
	run("COMMIT")
	_, err = two.Exec(ctx, "COMMIT")
	require.NoError(c.t, err)
}

// databases makes things of which the server still knows at the end, and one that it drops.
func (c *fieldCheck) databases() {
	dir, err := c.load.MakeDir("space")
	require.NoError(c.t, err)
	c.load.SQL(c.t, fmt.Sprintf("CREATE TABLESPACE space LOCATION '%s'", dir))
	c.load.SQL(c.t, "CREATE DATABASE gone")
	c.want["dropped database"] = c.value("SELECT dattablespace || '/' || oid FROM pg_database WHERE datname = 'gone'")
	c.load.SQL(c.t, "DROP DATABASE gone")
	c.load.SQL(c.t, "CREATE DATABASE stays TABLESPACE space")
	c.load.SQL(c.t, "CREATE TABLE stays_too (a int)")
	c.load.SQL(c.t, "SELECT pg_replication_origin_create('somewhere')")
	c.load.SQL(c.t, "SELECT pg_replication_origin_advance('somewhere', 'A/BC')")
	c.load.SQL(c.t, "SELECT pg_logical_emit_message(false, 'our prefix', 'our content')")
	c.load.SQL(c.t, "SELECT pg_create_restore_point('our restore point')")

	c.want["tablespace"] = c.value(`SELECT oid || ' ' || pg_tablespace_location(oid)
		FROM pg_tablespace WHERE spcname = 'space'`)
	c.want["database"] = c.value("SELECT dattablespace || '/' || oid FROM pg_database WHERE datname = 'stays'")
	c.want["file"] = c.value("SELECT pg_relation_filepath('stays_too')")
	c.want["origin"] = c.value(`SELECT local_id || ' ' || remote_lsn
		FROM pg_replication_origin_status WHERE external_id = 'somewhere'`)
	c.want["message"] = "our prefix: our content"
	c.want["restore point"] = "our restore point"
}

// equal counts what was compared.
func (c *fieldCheck) equal(kind, want, have string) {
	require.Equal(c.t, want, have, kind)
	c.compared[kind]++
}

// found counts what some record must say.
func (c *fieldCheck) found(kind, format string, fields ...any) {
	if c.want[kind] == fmt.Sprintf(format, fields...) {
		c.compared[kind]++
	}
}

func (c *fieldCheck) record(rec *xlog.Record) {
	payload, err := c.dec.Decode(rec)
	require.NoError(c.t, err)
	switch p := payload.(type) {
	case *CheckPoint:
		c.checkpoint(rec, p)
	case *MultiXactCreate:
		c.found("multixact", "%s", members(p))
	case *SequenceLog:
		c.sequences[fmt.Sprint(p.Relation.RelNumber)] = fmt.Sprint(p.LastValue)
	case *RelMapUpdate:
		c.maps[p.Database] = mappings(p)
	case *StandbyLock:
		for i := range p.Locks.Len() {
			lock := p.Locks.At(i)
			c.found("lock", "%d %d %d", lock.XID, lock.Database, lock.Relation)
		}
	case *RunningXacts:
		for i := range p.XIDs.Len() {
			c.found("running", "%d", p.XIDs.At(i))
		}
	default:
		c.named(payload)
	}
}

// named compares records about things that have a name.
func (c *fieldCheck) named(payload Payload) {
	switch p := payload.(type) {
	case *StorageCreate:
		c.found("file", "%s", c.dec.appendRelPath(nil, p.Relation, p.Fork))
	case *TablespaceCreate:
		c.found("tablespace", "%d %s", p.Tablespace, p.Path)
	case *DatabaseCreateFileCopy:
		c.found("database", "%d/%d", p.Tablespace, p.Database)
	case *DatabaseCreateWALLog:
		c.found("database", "%d/%d", p.Tablespace, p.Database)
	case *DatabaseDrop:
		c.found("dropped database", "%d/%d", p.Tablespaces.At(0), p.Database)
	case *OriginSet:
		c.found("origin", "%d %s", p.Origin, p.RemoteLSN)
	case *Message:
		c.found("message", "%s: %s", p.Prefix, p.Message)
	case *RestorePoint:
		c.found("restore point", "%s", p.Name)
	}
}

func members(p *MultiXactCreate) string {
	var list []string
	for i := range p.Members.Len() {
		m := p.Members.At(i)
		list = append(list, fmt.Sprintf("%d %s", m.XID, m.Status))
	}
	return strings.Join(list, ", ")
}

func mappings(p *RelMapUpdate) string {
	var list []string
	for i := range p.Mappings.Len() {
		oid, number := p.Mappings.At(i)
		list = append(list, fmt.Sprintf("%d %d", oid, number))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// checkpoint compares the checkpoint that the control file has a copy of.
func (c *fieldCheck) checkpoint(rec *xlog.Record, p *CheckPoint) {
	control, err := pgdata.ReadControl(vfs.OS, c.load.DataDir)
	require.NoError(c.t, err)
	if control.CheckPoint != rec.LSN {
		return
	}
	k := control.CheckPointCopy
	want := CheckPoint{
		Redo: k.Redo, ThisTimeLineID: k.ThisTimeLineID, PrevTimeLineID: k.PrevTimeLineID, FullPageWrites: k.FullPageWrites,
		WALLevel: int32(k.WalLevel), NextXID: k.NextXid, NextOID: k.NextOid, NextMulti: k.NextMulti,
		NextMultiOffset: k.NextMultiOffset, OldestXID: k.OldestXid, OldestXIDDB: k.OldestXidDB,
		OldestMulti: k.OldestMulti, OldestMultiDB: k.OldestMultiDB, Time: k.Time,
		OldestCommitTsXID: k.OldestCommitTsXid, NewestCommitTsXID: k.NewestCommitTsXid, OldestActiveXID: k.OldestActiveXid,
	}
	require.Equal(c.t, want, *p)
	row := c.load.SQL(c.t, `SELECT redo_lsn, timeline_id, next_xid, next_oid, next_multixact_id
		FROM pg_control_checkpoint()`)
	next := fmt.Sprintf("%d:%d", p.NextXID>>32, uint32(p.NextXID))
	c.equal("checkpoint", strings.Join(row[0], " "),
		fmt.Sprintf("%s %d %s %d %d", p.Redo, p.ThisTimeLineID, next, p.NextOID, p.NextMulti))
}

// checkSequences compares the last record of every sequence that is left.
func (c *fieldCheck) checkSequences() {
	for _, row := range c.load.SQL(c.t, `SELECT oid::regclass, pg_relation_filenode(oid)
		FROM pg_class WHERE relkind = 'S'`) {
		have, ok := c.sequences[row[1]]
		require.True(c.t, ok, row[0])
		// A record runs ahead of the sequence, by what can be had without another.
		want := c.value(fmt.Sprintf(`SELECT last_value + log_cnt * (CASE WHEN is_called THEN seqincrement ELSE 0 END)
			FROM %s, pg_sequence WHERE seqrelid = '%s'::regclass`, row[0], row[0]))
		c.equal("sequence", want, have)
	}
}

// checkMaps compares the last map of the database and of the shared catalogs with the server's.
func (c *fieldCheck) checkMaps() {
	database := c.value("SELECT oid FROM pg_database WHERE datname = 'postgres'")
	for id, have := range c.maps {
		shared := id == 0
		if !shared && database != fmt.Sprint(id) {
			continue
		}
		var want []string
		for _, row := range c.load.SQL(c.t, `SELECT oid, pg_relation_filenode(oid) FROM pg_class
			WHERE relfilenode = 0 AND relkind IN ('r', 'i', 't') AND relisshared = $1`, shared) {
			want = append(want, row[0]+" "+row[1])
		}
		slices.Sort(want)
		c.equal("relation map", strings.Join(want, ", "), have)
	}
}
