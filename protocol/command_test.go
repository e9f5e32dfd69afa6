// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// servers has one of each version and flavour, by name.
var servers = map[string]Server{
	"any": {},
	"12":  {Version: 120022}, "13": {Version: 130023}, "14": {Version: 140023}, "15": {Version: 150018},
	"16": {Version: 160014}, "17": {Version: 170010}, "18": {Version: 180004},
	"greenplum":  {Version: 120000, Flavour: xlog.Greenplum},
	"cloudberry": {Version: 140004, Flavour: xlog.Cloudberry},
}

var yes, no = true, false

// formatTests has the text of commands for some of the servers; "-" stands for ErrUnsupported.
var formatTests = []struct {
	cmd  Command
	text map[string]string
}{
	{IdentifySystem{}, all("IDENTIFY_SYSTEM")},
	{UploadManifest{}, since(17, "UPLOAD_MANIFEST")},
	{Show{"wal_segment_size"}, all("SHOW wal_segment_size")},
	{Show{"a.B"}, all(`SHOW a."B"`)},
	{Show{`a"b`}, all("-")},
	{Show{""}, all("-")},
	{TimelineHistory{4294967295}, all("TIMELINE_HISTORY 4294967295")},
	{TimelineHistory{0}, all("-")},
	{StartReplication{Start: 0x16_B374D848}, all("START_REPLICATION 16/B374D848")},
	{StartReplication{Slot: "s", Start: 0, Timeline: 7}, all(`START_REPLICATION SLOT "s" 0/0 TIMELINE 7`)},
	{StartLogicalReplication{Slot: "s", Start: 1}, all(`START_REPLICATION SLOT "s" LOGICAL 0/1`)},
	{StartLogicalReplication{Slot: "s", Start: 1,
		Options: []PluginOption{{"A b", "it's", true}, {"c", "", false}, {"d", "", true}}},
		all(`START_REPLICATION SLOT "s" LOGICAL 0/1 ( "A b" 'it''s', "c", "d" '')`)},
	{ReadReplicationSlot{"s"}, since(15, `READ_REPLICATION_SLOT "s"`)},
	{DropReplicationSlot{"s", false}, all(`DROP_REPLICATION_SLOT "s"`)},
	{DropReplicationSlot{"WAIT", true}, all(`DROP_REPLICATION_SLOT "WAIT" WAIT`)},
	{DropReplicationSlot{"", true}, all("-")},
	{DropReplicationSlot{strings.Repeat("x", 64), true}, all("-")},
	{CreateReplicationSlot{Slot: "s"}, all(`CREATE_REPLICATION_SLOT "s" PHYSICAL`)},
	{CreateReplicationSlot{Slot: "s", Temporary: true, ReserveWAL: true}, eras(
		`CREATE_REPLICATION_SLOT "s" TEMPORARY PHYSICAL RESERVE_WAL`,
		`CREATE_REPLICATION_SLOT "s" TEMPORARY PHYSICAL (RESERVE_WAL)`)},
	{CreateReplicationSlot{Slot: "s", Plugin: "p"}, all(`CREATE_REPLICATION_SLOT "s" LOGICAL "p"`)},
	{CreateReplicationSlot{Slot: "s", Plugin: "p", Snapshot: SnapshotNothing}, eras(
		`CREATE_REPLICATION_SLOT "s" LOGICAL "p" NOEXPORT_SNAPSHOT`,
		`CREATE_REPLICATION_SLOT "s" LOGICAL "p" (SNAPSHOT 'nothing')`)},
	{CreateReplicationSlot{Slot: "s", Plugin: "p", Snapshot: SnapshotUse, TwoPhase: true},
		since(15, `CREATE_REPLICATION_SLOT "s" LOGICAL "p" (SNAPSHOT 'use', TWO_PHASE)`)},
	{CreateReplicationSlot{Slot: "s", Plugin: "p", Failover: true},
		since(17, `CREATE_REPLICATION_SLOT "s" LOGICAL "p" (FAILOVER)`)},
	{CreateReplicationSlot{Slot: "s", Plugin: "p", ReserveWAL: true}, all("-")},
	{CreateReplicationSlot{Slot: "s", Failover: true}, all("-")},
	{AlterReplicationSlot{Slot: "s", Failover: &no}, since(17, `ALTER_REPLICATION_SLOT "s" (FAILOVER false)`)},
	{AlterReplicationSlot{Slot: "s", Failover: &yes, TwoPhase: &no},
		since(18, `ALTER_REPLICATION_SLOT "s" (FAILOVER true, TWO_PHASE false)`)},
	{AlterReplicationSlot{Slot: "s"}, all("-")},
	{BaseBackup{}, all("BASE_BACKUP")},
	{BaseBackup{Label: "it's", Progress: true, FastCheckpoint: true, WAL: true, NoWait: true, MaxRate: 32,
		TablespaceMap: true, NoVerifyChecksums: true}, eras(
		"BASE_BACKUP LABEL 'it''s' PROGRESS FAST WAL NOWAIT MAX_RATE 32 TABLESPACE_MAP NOVERIFY_CHECKSUMS",
		"BASE_BACKUP (LABEL 'it''s', PROGRESS, WAL, CHECKPOINT 'fast', WAIT 0, MAX_RATE 32, TABLESPACE_MAP, "+
			"VERIFY_CHECKSUMS 0)")},
	{BaseBackup{Manifest: ManifestYes, ManifestChecksums: "SHA256"}, map[string]string{
		"any": "BASE_BACKUP (MANIFEST 'yes', MANIFEST_CHECKSUMS 'SHA256')", "12": "-", "greenplum": "-",
		"13":         "BASE_BACKUP MANIFEST 'yes' MANIFEST_CHECKSUMS 'SHA256'",
		"cloudberry": "BASE_BACKUP MANIFEST 'yes' MANIFEST_CHECKSUMS 'SHA256'",
		"15":         "BASE_BACKUP (MANIFEST 'yes', MANIFEST_CHECKSUMS 'SHA256')"}},
	{BaseBackup{ManifestChecksums: "SHA256"}, all("-")},
	{BaseBackup{Compression: "zstd", CompressionDetail: "level=3", Target: "client"},
		since(15, "BASE_BACKUP (TARGET 'client', COMPRESSION 'zstd', COMPRESSION_DETAIL 'level=3')")},
	{BaseBackup{Incremental: true}, since(17, "BASE_BACKUP (INCREMENTAL)")},
	{BaseBackup{Exclude: []string{"./db_dumps", "./it's"}}, map[string]string{"any": "-", "12": "-", "14": "-", "18": "-",
		"greenplum":  "BASE_BACKUP EXCLUDE './db_dumps' EXCLUDE './it''s'",
		"cloudberry": "BASE_BACKUP EXCLUDE './db_dumps' EXCLUDE './it''s'"}},
	{SQL{"SELECT 1"}, all("SELECT 1")},
}

func all(text string) map[string]string {
	m := map[string]string{}
	for name := range servers {
		m[name] = text
	}
	return m
}

// since is a text from a major version on.
func since(major int, text string) map[string]string {
	m := all("-")
	for name, s := range servers {
		if s.atLeast(major) {
			m[name] = text
		}
	}
	return m
}

// eras is a text up to version 14 and one from 15 on.
func eras(old, new string) map[string]string {
	m := since(15, new)
	for name, text := range m {
		if text == "-" {
			m[name] = old
		}
	}
	return m
}

func TestFormatAndParseBack(t *testing.T) {
	t.Parallel()
	n := 0
	for i, tt := range formatTests {
		for name, want := range tt.text {
			t.Run(strconv.Itoa(i)+"/"+name, func(t *testing.T) {
				got, err := tt.cmd.Format(servers[name])
				if want == "-" {
					require.ErrorIs(t, err, ErrUnsupported)
					return
				}
				require.NoError(t, err)
				require.Equal(t, want, got)
				for _, s := range []Server{servers[name], {}} {
					back, err := s.Parse(got)
					require.NoError(t, err)
					require.Equal(t, tt.cmd, back)
				}
				n++
			})
		}
	}
	t.Logf("%d texts printed and read back", n)
	require.NotZero(t, n)
}

func TestCommandString(t *testing.T) {
	t.Parallel()
	for _, tt := range formatTests {
		if want := tt.text["any"]; want == "-" {
			require.Contains(t, tt.cmd.String(), ErrUnsupported.Error())
		} else {
			require.Equal(t, want, tt.cmd.String())
		}
	}
}

// parseTests are texts that no Format makes. The text of an error is its SQLSTATE.
var parseTests = []struct {
	text   string
	server string
	want   any
}{
	{" IDENTIFY_SYSTEM ; ", "any", IdentifySystem{}},
	{"IDENTIFY_SYSTEM;;", "any", "42601"},
	{"IDENTIFY_SYSTEM x", "any", "42601"},
	{"identify_system", "any", SQL{"identify_system"}}, // keywords are in capitals
	{`"IDENTIFY_SYSTEM"`, "any", SQL{`"IDENTIFY_SYSTEM"`}},
	{"", "any", SQL{""}},
	{"'open", "any", "42601"},
	{`"open`, "any", "42601"},
	{"'closed'", "any", SQL{"'closed'"}},
	{"4294967296", "any", SQL{"4294967296"}},
	{"0/123456789", "any", SQL{"0/123456789"}},
	{"SLOT", "any", SQL{"SLOT"}},
	{"SHOW a . b.\"C d\"", "any", Show{"a.b.C d"}},
	{"SHOW SERVER_VERSION", "any", Show{"server_version"}},
	{"SHOW Ünicode$1", "any", Show{"Ünicode$1"}},
	{"SHOW TIMELINE", "any", "42601"},
	{"SHOW", "any", "42601"},
	{"SHOW a.", "any", "42601"},
	{"SHOW a.'b'", "any", "42601"},
	{"SHOW \"open", "any", "42601"},
	{"SHOW a\x00b", "any", "42601"},
	{`SHOW "a""b"`, "any", Show{`a"b`}},
	{`SHOW "a" "b"`, "any", "42601"},
	{`SHOW """"`, "any", Show{`"`}},
	{`SHOW """`, "any", "42601"},
	{"SHOW " + strings.Repeat("x", 62) + "ÜÜ", "any", Show{strings.Repeat("x", 62)}},
	{"TIMELINE_HISTORY 0", "any", "42601"},
	{"TIMELINE_HISTORY 4294967296", "any", "42601"},
	{"TIMELINE_HISTORY -1", "any", "42601"},
	{"TIMELINE_HISTORY '1'", "any", "42601"},
	{"START_REPLICATION PHYSICAL 0/1", "any", StartReplication{Start: 1}},
	{"START_REPLICATION SLOT \"Slot\" PHYSICAL ab/CDTIMELINE 3", "any",
		StartReplication{Slot: "Slot", Start: 0xab_000000cd, Timeline: 3}},
	{"START_REPLICATION SLOT Slot 0/1", "any", StartReplication{Slot: "slot", Start: 1}},
	{"START_REPLICATION SLOT wal 0/1", "14", StartReplication{Slot: "wal", Start: 1}},
	{"START_REPLICATION SLOT WAL 0/1", "14", "42601"},
	{"START_REPLICATION SLOT WAL 0/1", "15", StartReplication{Slot: "wal", Start: 1}},
	{"START_REPLICATION SLOT EXCLUDE 0/1", "greenplum", "42601"},
	{"START_REPLICATION SLOT EXCLUDE 0/1", "12", StartReplication{Slot: "exclude", Start: 1}},
	{"START_REPLICATION 0/123456789", "any", "42601"},
	{"START_REPLICATION 0/1G", "any", "42601"},
	{"START_REPLICATION 0/ 1", "any", "42601"},
	{"START_REPLICATION LOGICAL 0/1", "any", "42601"},
	{"START_REPLICATION 0/1 TIMELINE 0", "any", "42601"},
	{"START_REPLICATION SLOT 0/1", "any", "42601"},
	{"START_REPLICATION SLOT s LOGICAL 0/1 ()", "any", "42601"},
	{"START_REPLICATION SLOT s LOGICAL 0/1 (a 1)", "any", "42601"},
	{"START_REPLICATION SLOT s LOGICAL 0/1 (a 'x'", "any", "42601"},
	{"READ_REPLICATION_SLOT s", "14", SQL{"READ_REPLICATION_SLOT s"}},
	{"READ_REPLICATION_SLOT a.b", "15", ReadReplicationSlot{"a.b"}},
	{"UPLOAD_MANIFEST", "16", SQL{"UPLOAD_MANIFEST"}},
	{"ALTER_REPLICATION_SLOT s (FAILOVER, TWO_PHASE 'ON')", "18",
		AlterReplicationSlot{Slot: "s", Failover: &yes, TwoPhase: &yes}},
	{"ALTER_REPLICATION_SLOT s (TWO_PHASE)", "17", "42601"},
	{"ALTER_REPLICATION_SLOT s (FAILOVER 2)", "17", "42601"},
	{"ALTER_REPLICATION_SLOT s (FAILOVER, FAILOVER)", "17", "42601"},
	{"ALTER_REPLICATION_SLOT s", "17", "42601"},
	{"CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL", "18", CreateReplicationSlot{Slot: "s", ReserveWAL: true}},
	{"CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL RESERVE_WAL", "18", "42601"},
	{"CREATE_REPLICATION_SLOT s PHYSICAL (RESERVE_WAL FALSE)", "18", CreateReplicationSlot{Slot: "s"}},
	{"CREATE_REPLICATION_SLOT s PHYSICAL (RESERVE_WAL)", "14", "42601"},
	{"CREATE_REPLICATION_SLOT s PHYSICAL ()", "18", "42601"},
	{"CREATE_REPLICATION_SLOT s PHYSICAL EXPORT_SNAPSHOT", "18", "42601"},
	{"CREATE_REPLICATION_SLOT s LOGICAL p TWO_PHASE", "18", CreateReplicationSlot{Slot: "s", Plugin: "p", TwoPhase: true}},
	{"CREATE_REPLICATION_SLOT s LOGICAL p TWO_PHASE", "14", "42601"},
	{"CREATE_REPLICATION_SLOT s LOGICAL p USE_SNAPSHOT EXPORT_SNAPSHOT", "14", "42601"},
	{"CREATE_REPLICATION_SLOT s LOGICAL p (SNAPSHOT 'bogus')", "18", "22023"},
	{"CREATE_REPLICATION_SLOT s LOGICAL p (FAILOVER)", "16", "42601"},
	{"CREATE_REPLICATION_SLOT s", "18", "42601"},
	{"DROP_REPLICATION_SLOT WAIT", "any", "42601"},
	{"BASE_BACKUP FAST LABEL 'x' PROGRESS", "any", BaseBackup{FastCheckpoint: true, Label: "x", Progress: true}},
	{"BASE_BACKUP fast", "14", "42601"},
	{"BASE_BACKUP FAST", "15", "42601"}, // from 15 on there is only the list
	{"BASE_BACKUP FAST FAST", "14", "42601"},
	{"BASE_BACKUP LABEL x", "14", "42601"},
	{"BASE_BACKUP MAX_RATE '32'", "14", "42601"},
	{"BASE_BACKUP MAX_RATE 31", "14", "22003"},
	{"BASE_BACKUP MAX_RATE 1048577", "14", "22003"},
	{"BASE_BACKUP MANIFEST 'YE'", "14", BaseBackup{Manifest: ManifestYes}},
	{"BASE_BACKUP MANIFEST 'of'", "14", BaseBackup{}},
	{"BASE_BACKUP MANIFEST 'o'", "14", "42601"},
	{"BASE_BACKUP MANIFEST 'Force-Encode'", "14", BaseBackup{Manifest: ManifestForceEncode}},
	{"BASE_BACKUP MANIFEST 'yes'", "12", "42601"},
	{"BASE_BACKUP MANIFEST_CHECKSUMS 'NONE'", "14", "42601"},
	{"BASE_BACKUP EXCLUDE 'x'", "14", "42601"},
	{"BASE_BACKUP (LABEL 'x')", "14", "42601"},
	{"BASE_BACKUP ()", "18", "42601"},
	{"BASE_BACKUP (label x, WAL off, progress 1, wait 'on', Checkpoint SPREAD)", "15",
		BaseBackup{Label: "x", Progress: true}},
	{`BASE_BACKUP ("LABEL" 'x')`, "15", "42601"},
	{"BASE_BACKUP (LABEL)", "15", "42601"},
	{"BASE_BACKUP (LABEL 5)", "15", BaseBackup{Label: "5"}},
	{"BASE_BACKUP (LABEL TIMELINE)", "15", "42601"},
	{"BASE_BACKUP (MAX_RATE 'x')", "15", "42601"},
	{"BASE_BACKUP (CHECKPOINT 'now')", "15", "42601"},
	{"BASE_BACKUP (PROGRESS maybe)", "15", "42601"},
	{"BASE_BACKUP (MANIFEST 'maybe')", "15", "42601"},
	{"BASE_BACKUP (EXCLUDE 'x')", "any", "42601"},
	{"BASE_BACKUP (INCREMENTAL)", "16", "42601"},
	{"BASE_BACKUP (TARGET_DETAIL 'x')", "15", "42601"},
	{"BASE_BACKUP (COMPRESSION_DETAIL 'x')", "15", "42601"},
	{"BASE_BACKUP (SLOT 'x')", "15", "42601"},
	{"BASE_BACKUP (LABEL 'x' PROGRESS)", "15", "42601"},
	{"BASE_BACKUP (LABEL 'x',)", "15", "42601"},
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range parseTests {
		t.Run(tt.server+" "+tt.text, func(t *testing.T) {
			got, err := servers[tt.server].Parse(tt.text)
			code, isError := tt.want.(string)
			if !isError {
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				return
			}
			require.Nil(t, got)
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, code, e.Code, e.Message)
		})
	}
}

func TestFlavourOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, xlog.PostgreSQL, FlavourOf("PostgreSQL 15.18 on x86_64"))
	require.Equal(t, xlog.Greenplum, FlavourOf("PostgreSQL 12.12 (Greenplum Database 7.0.0 build dev)"))
	require.Equal(t, xlog.Cloudberry, FlavourOf("PostgreSQL 14.4 (Apache Cloudberry 2.0.0 build 1) (Greenplum compatible)"))
}

func FuzzParseCommand(f *testing.F) {
	for _, tt := range parseTests {
		f.Add(tt.text, servers[tt.server].Version, uint8(servers[tt.server].Flavour))
	}
	for _, tt := range formatTests {
		for name, text := range tt.text {
			f.Add(text, servers[name].Version, uint8(servers[name].Flavour))
		}
	}
	f.Fuzz(func(t *testing.T, text string, version int, flavour uint8) {
		s := Server{Version: version % 200000, Flavour: xlog.Flavour(flavour % 3)}
		if s.Version < 120000 {
			s.Version = 0
		}
		cmd, err := s.Parse(text)
		if err != nil {
			_, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			return
		}
		printed, err := cmd.Format(s)
		if err != nil {
			require.ErrorIs(t, err, ErrUnsupported)
			return
		}
		again, err := s.Parse(printed)
		require.NoError(t, err, "%q", printed)
		require.Equal(t, cmd, again)
	})
}
