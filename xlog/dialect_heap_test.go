// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What redo leaves of tables and their maps depends on the minor release.
func TestHeapReleases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect   *Dialect
		version   int
		setsLSN   bool
		spaceHint bool
	}{
		{Postgres12, 0, true, true}, {Postgres12, 120013, false, true}, {Postgres12, 120022, true, true},
		{Postgres13, 130009, false, true}, {Postgres13, 130023, true, true},
		{Postgres14, 140022, true, true}, {Postgres14, 140023, true, false},
		{Postgres15, 0, true, false}, {Postgres15, 150001, false, true}, {Postgres15, 150018, true, false},
		{Postgres15, 150020, true, true}, {Postgres15, 160001, true, false},
		{Postgres16, 160014, true, false}, {Postgres17, 170009, true, true}, {Postgres17, 170010, true, false},
		{Postgres18, 180004, true, false},
		{Greenplum7, 120012, false, true}, {Greenplum7Dev, 0, false, true}, {CloudberryDB, 0, false, true},
	} {
		d := c.dialect.WithServerVersion(c.version)
		require.Equal(t, c.setsLSN, d.HeapVisibleSetsLSN(), "%s, %d", d, c.version)
		require.Equal(t, c.spaceHint, d.FreeSpaceIsHint(), "%s, %d", d, c.version)
	}
}
