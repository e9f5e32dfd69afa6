// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestErrors asks for what is not there, reads rows as structs, and makes sure that reading leaves everything as it was.
func TestErrors(t *testing.T) {
	pgserver.Require(t)
	s := pgserver.Start(t, pgserver.Options{})
	s.SQL(t, `CREATE SCHEMA "a.b"`)
	s.SQL(t, `CREATE TABLE "a.b".t AS SELECT 1 AS a`)
	s.SQL(t, `CREATE ROLE r PASSWORD 'x' VALID UNTIL '2030-01-02 03:04:05Z'`)
	s.SQL(t, `CREATE VIEW v AS SELECT 1`)
	require.NoError(t, s.Stop(pgserver.Fast))
	before := listing(t, s.DataDir)
	c, err := catalog.OpenDir(vfs.OS, s.DataDir)
	require.NoError(t, err)
	defer c.Close()

	_, err = c.Database("nowhere")
	require.ErrorIs(t, err, catalog.ErrNoDatabase)
	db, err := c.Database("postgres")
	require.NoError(t, err)
	_, err = db.Relation("nowhere")
	require.ErrorIs(t, err, catalog.ErrNoRelation)
	_, err = db.RelationIn("a.b", "t")
	require.NoError(t, err)
	view, err := db.Relation("public.v")
	require.NoError(t, err)
	require.ErrorIs(t, view.Scan(func(*catalog.Row) error { return nil }), catalog.ErrNoStorage)

	readStructs(t, db)
	require.Equal(t, before, listing(t, s.DataDir))
}

// readStructs looks at rows as structs.
func readStructs(t *testing.T, db *catalog.DB) {
	roles, err := catalog.Rows[catalog.AuthIDRow](db)
	require.NoError(t, err)
	found := false
	for _, r := range roles {
		if r.RolName == "r" {
			found = true
			require.NotNil(t, r.RolPassword)
			require.Equal(t, time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), *r.RolValidUntil)
			require.Equal(t, int32(-1), r.RolConnLimit)
		}
	}
	require.True(t, found)
	databases, err := catalog.Rows[catalog.DatabaseRow](db)
	require.NoError(t, err)
	require.Len(t, databases, 3)
	classes, err := catalog.Rows[catalog.ClassRow](db)
	require.NoError(t, err)
	attributes, err := catalog.Rows[catalog.AttributeRow](db)
	require.NoError(t, err)
	require.Greater(t, len(attributes), 5*len(classes))
	namespaces, err := catalog.Rows[catalog.NamespaceRow](db)
	require.NoError(t, err)
	spaces, err := catalog.Rows[catalog.TablespaceRow](db)
	require.NoError(t, err)
	require.Len(t, spaces, 2)
	t.Logf("%d roles, %d relations, %d columns, %d schemas", len(roles), len(classes), len(attributes), len(namespaces))
}

// listing is every file of a directory, with its size and time.
func listing(t *testing.T, dir string) map[string]string {
	list := map[string]string{}
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			list[path] = fmt.Sprint(info.Size(), info.ModTime())
		}
		return err
	}))
	require.Contains(t, list, filepath.Join(dir, pgdata.ControlFileName))
	return list
}
