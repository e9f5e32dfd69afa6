// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"slices"

	"github.com/walmirror/walmirror/walsender/pgsql"
)

// Catalogs are those of a server's databases. It is safe for concurrent use.
type Catalogs interface {
	// Database has the catalogs of a database. That there is none of that name is said when they are read.
	Database(name string) pgsql.Catalogs
}

// catalogs are those of the session's database, as far as its user may see them.
func (c *session) catalogs() pgsql.Catalogs {
	all := c.server.cfg.Catalogs
	if all == nil {
		return nil
	}
	database := all.Database(c.database)
	if slices.Contains(c.server.cfg.Superusers, c.user) {
		return database
	}
	return guarded{database}
}

// guarded hides what PostgreSQL shows to superusers only. Of catalogs that anybody may want to read the secrets are
// hidden, those that are made of users' data are refused.
type guarded struct{ pgsql.Catalogs }

// secrets are columns that are shown as stars.
var secrets = map[string]string{
	"pg_authid": "rolpassword", "pg_subscription": "subconninfo", "pg_user_mapping": "umoptions",
	"pg_foreign_server": "srvoptions",
}

// data are the catalogs that have data of users in them.
var data = []string{"pg_statistic", "pg_statistic_ext_data", "pg_largeobject"}

// hidden stands for a secret, as in pg_roles.
const hidden = "********"

// Table implements pgsql.Catalogs.
func (g guarded) Table(ctx context.Context, schema, name string) (*pgsql.Table, error) {
	t, err := g.Catalogs.Table(ctx, schema, name)
	if err == nil && t != nil && t.Schema == "pg_catalog" && slices.Contains(data, t.Name) {
		return nil, errorf(codeInsufficientPrivilege, "permission denied for table %s", t.Name)
	}
	return t, err
}

// Read implements pgsql.Catalogs.
func (g guarded) Read(ctx context.Context, scans []pgsql.Scan) error {
	safe := slices.Clone(scans)
	for i, scan := range scans {
		at := slices.IndexFunc(scan.Columns, func(n int) bool {
			name, ok := secrets[scan.Table.Name]
			return ok && scan.Table.Columns[n].Name == name
		})
		if at < 0 {
			continue
		}
		safe[i].Add = func(row []pgsql.Value) error {
			if row[at] != nil {
				row[at] = hiddenOf(scan.Table.Columns[scan.Columns[at]].Type)
			}
			return scan.Add(row)
		}
	}
	return g.Catalogs.Read(ctx, safe)
}

// hiddenOf is what is shown of a secret of a type.
func hiddenOf(oid uint32) pgsql.Value {
	if oid == pgsql.Text {
		return hidden
	}
	return "{" + hidden + "}"
}
