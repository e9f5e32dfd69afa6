// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walsender/pgsql"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/redo"
)

// sqlCatalogs are the standby's catalogs for SQL (walsender.Catalogs). Only catalogs are read, not users' tables.
type sqlCatalogs struct {
	standby *Standby

	mu     sync.Mutex
	tables map[sqlTable]*pgsql.Table // that were asked for: their columns do not change
}

type sqlTable struct{ database, schema, name string }

func newSQLCatalogs(s *Standby) *sqlCatalogs {
	return &sqlCatalogs{standby: s, tables: map[sqlTable]*pgsql.Table{}}
}

// Database implements walsender.Catalogs.
func (c *sqlCatalogs) Database(name string) pgsql.Catalogs { return &sqlDatabase{all: c, name: name} }

// sqlDatabase are the catalogs of one database.
type sqlDatabase struct {
	all  *sqlCatalogs
	name string
}

// systemSchema is where catalogs are. firstNormal is the first OID of what users make (FirstNormalObjectId).
const (
	systemSchema = "pg_catalog"
	firstNormal  = 16384
)

// Table implements pgsql.Catalogs.
func (d *sqlDatabase) Table(ctx context.Context, schema, name string) (*pgsql.Table, error) {
	key := sqlTable{d.name, schema, name}
	d.all.mu.Lock()
	found := d.all.tables[key]
	d.all.mu.Unlock()
	if found != nil {
		return found, nil
	}
	err := d.view(ctx, func(db *catalog.DB) (err error) {
		found, err = describeTable(db, schema, name)
		return err
	})
	if err != nil || found == nil {
		return nil, err
	}
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	d.all.tables[key] = found
	return found, nil
}

// describeTable says which columns a catalog has; nil: there is none of that name.
func describeTable(db *catalog.DB, schema, name string) (*pgsql.Table, error) {
	open := func() (*catalog.Relation, error) { return db.RelationIn(schema, name) }
	if schema == "" {
		open = func() (*catalog.Relation, error) { return db.Relation(name) }
	}
	rel, err := open()
	switch {
	case errors.Is(err, catalog.ErrNoRelation):
		return nil, nil
	case errors.Is(err, catalog.ErrNoStorage):
		return nil, sqlErrorf("0A000", "%q is no table: only catalogs can be read here", name)
	case err != nil:
		return nil, err
	case rel.OID >= firstNormal || rel.Kind != catalog.KindTable:
		return nil, sqlErrorf("0A000", "%q is no catalog: nothing else can be read here", name)
	}
	if schema == "" {
		schema = systemSchema
	}
	t := &pgsql.Table{Schema: schema, Name: name, OID: rel.OID}
	for _, c := range rel.Columns() {
		if !c.Dropped {
			t.Columns = append(t.Columns, pgsql.Column{Name: c.Name, Type: c.Type.OID, Typmod: c.Typmod, Num: c.Num})
		}
	}
	return t, nil
}

// Read implements pgsql.Catalogs: between two records of the log. Replay waits until all is read.
func (d *sqlDatabase) Read(ctx context.Context, scans []pgsql.Scan) error {
	return d.view(ctx, func(db *catalog.DB) error {
		for _, scan := range scans {
			if err := readTable(db, scan); err != nil {
				return err
			}
		}
		return nil
	})
}

func readTable(db *catalog.DB, scan pgsql.Scan) error {
	rel, err := db.RelationIn(scan.Table.Schema, scan.Table.Name)
	if err != nil {
		return err
	}
	columns := make([]sqlColumn, len(scan.Columns))
	for i, n := range scan.Columns {
		at := rel.Column(scan.Table.Columns[n].Name)
		if at < 0 {
			return fmt.Errorf("%w: %s.%s", catalog.ErrNoColumn, scan.Table.Name, scan.Table.Columns[n].Name)
		}
		columns[i] = newSQLColumn(at, rel.Columns()[at].Type)
	}
	return rel.Scan(func(row *catalog.Row) error {
		values := make([]pgsql.Value, len(columns))
		for i := range columns {
			var err error
			if values[i], err = columns[i].value(row); err != nil {
				return fmt.Errorf("%s.%s: %w", rel.Name, rel.Columns()[columns[i].at].Name, err)
			}
		}
		return scan.Add(values)
	})
}

// view reads the catalogs of the database as they are now. Errors are said as PostgreSQL says them.
func (d *sqlDatabase) view(ctx context.Context, read func(*catalog.DB) error) error {
	err := d.all.standby.Catalog(ctx, func(c *catalog.Catalog) error {
		db, err := c.Database(d.name)
		if err != nil {
			return err
		}
		return read(db)
	})
	switch {
	case errors.Is(err, catalog.ErrNoDatabase):
		return sqlErrorf("3D000", "database %q does not exist", d.name)
	case errors.Is(err, redo.ErrNotConsistent):
		e := sqlErrorf("57P03", "the database system is not yet accepting connections")
		e.Detail = "Consistent recovery state has not been yet reached."
		return e
	}
	return err
}

func sqlErrorf(code, format string, args ...any) *protocol.Error {
	return &protocol.Error{
		LocalizedSeverity: "ERROR", Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...),
	}
}
