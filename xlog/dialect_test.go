// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func TestDialectForVersion(t *testing.T) {
	t.Parallel()
	for num, want := range map[int]*xlog.Dialect{
		120000: xlog.Postgres12, 120022: xlog.Postgres12, 130023: xlog.Postgres13, 140000: xlog.Postgres14,
		150018: xlog.Postgres15, 160014: xlog.Postgres16, 170010: xlog.Postgres17, 180004: xlog.Postgres18,
	} {
		got, err := xlog.DialectForVersion(num)
		require.NoError(t, err)
		require.Same(t, want, got)
		require.Equal(t, num/10000, got.Base())
	}
	for _, num := range []int{0, -1, 90426, 110022, 190000, 1500018} {
		_, err := xlog.DialectForVersion(num)
		require.ErrorIs(t, err, xlog.ErrUnknownDialect, "%d", num)
	}
}

func TestDialectForServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flavour xlog.Flavour
		num     int
		want    *xlog.Dialect
	}{
		{xlog.PostgreSQL, 120000, xlog.Postgres12},
		{xlog.Greenplum, 120000, xlog.Greenplum7},
		{xlog.Greenplum, 120012, xlog.Greenplum7},
		{xlog.Cloudberry, 140004, xlog.CloudberryDB},
	} {
		got, err := xlog.DialectForServer(c.flavour, c.num)
		require.NoError(t, err)
		require.Same(t, c.want, got)
		require.Equal(t, c.flavour, got.Flavour())
	}
	_, err := xlog.DialectForServer(xlog.Greenplum, 90426)
	require.ErrorIs(t, err, xlog.ErrUnknownDialect)
	require.ErrorContains(t, err, "Greenplum with server_version_num 90426")
}

func TestDialectForControl(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		control, catalog uint32
		want             *xlog.Dialect
	}{
		{1201, 201909212, xlog.Postgres12},
		{1300, 202007201, xlog.Postgres13},
		{1300, 202107181, xlog.Postgres14},
		{1300, 202209061, xlog.Postgres15},
		{1300, 202307071, xlog.Postgres16},
		{1700, 202406281, xlog.Postgres17},
		{1800, 202506291, xlog.Postgres18},
		{12010700, 302307241, xlog.Greenplum7},
		{12010700, 302012031, xlog.Greenplum7Dev},
		{13000700, 302206171, xlog.CloudberryDB},
	} {
		got, err := xlog.DialectForControl(c.control, c.catalog)
		require.NoError(t, err)
		require.Same(t, c.want, got)
	}
	for _, c := range [][2]uint32{
		{0, 0}, {1201, 302307241}, {1300, 202209060}, {1300, 0}, {9420600, 301908232}, {12010700, 302012032},
		{12010700, 201909212}, {1900, 202606291},
	} {
		_, err := xlog.DialectForControl(c[0], c[1])
		require.ErrorIs(t, err, xlog.ErrUnknownDialect, "%v", c)
	}
}

func TestDialectTable(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, d := range xlog.Dialects() {
		names[d.Name()] = true
		require.NoError(t, d.SegmentSize().Validate())
		require.Equal(t, d.Name(), d.String())
		require.Equal(t, d.Flavour() == xlog.Cloudberry, d.RelNodeSize() == 16)
		require.Equal(t, d.Flavour() != xlog.PostgreSQL, d.BlockSize() == 32768 && d.WALBlockSize() == 32768)
		for id, name := range map[xlog.RmgrID]string{0: "XLOG", 1: "Transaction", 10: "Heap", 21: "LogicalMessage"} {
			require.True(t, d.ValidRmgr(id))
			require.Equal(t, name, d.RmgrName(id))
		}
	}
	require.Len(t, names, 10)
}

func TestRmgrs(t *testing.T) {
	t.Parallel()
	require.False(t, xlog.Postgres15.ValidRmgr(22))
	require.True(t, xlog.Postgres15.ValidRmgr(128))
	require.False(t, xlog.Postgres14.ValidRmgr(128))
	require.Equal(t, "custom200", xlog.Postgres18.RmgrName(200))
	require.Equal(t, "UNKNOWN (22)", xlog.Postgres12.RmgrName(22))
	require.Equal(t, "Appendonly", xlog.Greenplum7.RmgrName(24))
	require.False(t, xlog.Greenplum7.ValidRmgr(25))
	require.True(t, xlog.Greenplum7Dev.ValidRmgr(27))
	require.True(t, xlog.CloudberryDB.ValidRmgr(199))
}

func TestDialectBlockSizes(t *testing.T) {
	t.Parallel()
	same, err := xlog.Postgres15.WithBlockSizes(8192, 8192)
	require.NoError(t, err)
	require.Same(t, xlog.Postgres15, same)
	other, err := xlog.Postgres15.WithBlockSizes(32768, 65536)
	require.NoError(t, err)
	require.Equal(t, 32768, other.BlockSize())
	require.Equal(t, 65536, other.WALBlockSize())
	require.Equal(t, 8192, xlog.Postgres15.BlockSize())
	for _, c := range [][2]uint32{{0, 8192}, {8192, 0}, {65536, 8192}, {8192, 131072}, {8000, 8192}, {512, 8192}} {
		_, err := xlog.Postgres15.WithBlockSizes(c[0], c[1])
		require.Error(t, err, "%v", c)
	}
}
