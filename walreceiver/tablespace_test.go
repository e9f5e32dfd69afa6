// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseTablespaceMapping(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]TablespaceMapping{
		"/old=/new":          {"/old", "/new"},
		"/old/=/new//sub/./": {"/old", "/new/sub"},
		`/a\=b=/c`:           {"/a=b", "/c"},
		`/a=/b\=c`:           {"/a", "/b=c"},
		`/a\b=/c`:            {`/a\b`, "/c"},
	} {
		got, err := ParseTablespaceMapping(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "=", "/old", "/old=", "=/new", "/a=/b=/c", "old=/new", "/old=new", "/a\x00=/b"} {
		_, err := ParseTablespaceMapping(text)
		require.Error(t, err, text)
	}
}

func TestPlaceTablespaces(t *testing.T) {
	t.Parallel()
	plan := tablespacePlan{dataDir: "/data", mapping: []TablespaceMapping{{"/a/", "/mapped/a"}, {"/none", "/x"}}}
	spaces := []BackupTablespace{
		{OID: 1, Location: "/a"}, {OID: 2, Location: "/b//c/"}, {OID: 3, Location: "pg_tblspc/3"},
	}
	require.NoError(t, plan.place(spaces))
	require.Equal(t, "/mapped/a", spaces[0].Dir)
	require.Equal(t, "/b/c", spaces[1].Dir)
	require.Equal(t, "/data/pg_tblspc/3", spaces[2].Dir)
	require.True(t, spaces[2].InPlace)
	require.Equal(t, []TablespaceMapping{{"/none", "/x"}}, plan.unused(spaces))

	plan.dbid = 7
	spaces = []BackupTablespace{{OID: 1, Location: "/a"}, {OID: 2, Location: "/b"}}
	require.NoError(t, plan.place(spaces))
	require.Equal(t, "/mapped/a/7", spaces[0].Dir)
	require.Equal(t, "/b/7", spaces[1].Dir)
}

func TestPlaceTablespacesRefuses(t *testing.T) {
	t.Parallel()
	for name, spaces := range map[string][]BackupTablespace{
		"relative":           {{OID: 1, Location: "x"}},
		"empty":              {{OID: 1, Location: ""}},
		"another in place":   {{OID: 1, Location: "pg_tblspc/2"}},
		"parent in place":    {{OID: 1, Location: "pg_tblspc/../1"}},
		"NUL":                {{OID: 1, Location: "/a\x00"}},
		"the data directory": {{OID: 1, Location: "/data"}},
		"in it":              {{OID: 1, Location: "/data/x"}},
		"around it":          {{OID: 1, Location: "/"}},
		"dotted into it":     {{OID: 1, Location: "/a/../data/base"}},
		"same twice":         {{OID: 1, Location: "/a"}, {OID: 2, Location: "/a/"}},
		"one in another":     {{OID: 1, Location: "/a"}, {OID: 2, Location: "/a/b"}},
		"oid twice":          {{OID: 1, Location: "/a"}, {OID: 1, Location: "/b"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tablespacePlan{dataDir: "/data"}.place(spaces)
			require.Error(t, err)
			t.Log(err)
		})
	}
}

func TestCheckLink(t *testing.T) {
	t.Parallel()
	spaces := []BackupTablespace{{OID: 5, Location: "/a"}, {OID: 6, Location: "pg_tblspc/6", InPlace: true}}
	for _, tc := range []struct {
		name, link string
		expected   bool
		err        error
	}{
		{"pg_tblspc/5", "/a", true, nil},
		{"pg_tblspc/5", "/a/", true, nil},
		{"pg_tblspc/5", "/b", false, ErrArchive},
		{"pg_tblspc/5", "../../etc", false, ErrArchive},
		{"pg_tblspc/7", "/b", false, nil},
		{"pg_tblspc/6", "/b", false, nil},
		{"pg_wal", "/wal", false, ErrArchive},
		{"base/5", "/a", false, ErrArchive},
		{"pg_tblspc/5/PG_15", "/a", false, ErrArchive},
	} {
		expected, err := checkLink(tarMember{Name: tc.name, Kind: tarSymlink, Link: tc.link}, spaces)
		require.ErrorIs(t, err, tc.err, tc.name)
		require.Equal(t, tc.expected, expected, tc.name)
	}
}
