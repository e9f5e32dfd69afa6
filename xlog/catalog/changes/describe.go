// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"encoding/hex"
	"errors"

	"github.com/walmirror/walmirror/xlog/catalog"
)

// relation opens a catalog as it is now.
func (f *Feed) relation(id catalogID) (*catalog.Relation, error) {
	db := f.open[id.database]
	if db == nil {
		var err error
		if db, err = openDatabase(f.catalogs, id.database); err != nil {
			return nil, err
		}
		f.open[id.database] = db
	}
	return db.RelationByOID(id.oid)
}

// describeOld begins the changes, with the rows as they are before the commit.
func (f *Feed) describeOld(c *commit) error {
	whole := c.rows[:0]
	for _, row := range c.rows {
		if row.cut() {
			c.tx.Omitted++
			continue
		}
		change, err := f.change(row.catalog)
		if err != nil {
			return err
		}
		change.Op = row.op()
		if err := f.describe(&change.Old, row.catalog, row.old); err != nil {
			return err
		}
		whole, c.tx.Changes = append(whole, row), append(c.tx.Changes, change)
	}
	c.rows = whole
	return nil
}

func (r *rowChange) op() Op {
	switch {
	case r.old == nil:
		return Insert
	case r.updated == nil:
		return Delete
	}
	return Update
}

// change says which catalog it is about.
func (f *Feed) change(id catalogID) (Change, error) {
	rel, err := f.relation(id)
	if err != nil {
		return Change{}, err
	}
	c := Change{Catalog: rel.Name, OID: id.oid}
	if id.database != 0 {
		c.Database = rel.DB().Name
	}
	return c, nil
}

// describe makes text of a version of a row, if there is one.
func (f *Feed) describe(to **Row, id catalogID, v *version) error {
	if v == nil {
		return nil
	}
	rel, err := f.relation(id)
	if err != nil {
		return err
	}
	row, err := rel.Deform(v.tuple)
	if err != nil {
		return err
	}
	row.TID = v.tid
	r := &Row{Columns: f.columns(rel), Values: make([]Value, 0, len(rel.Columns()))}
	for i, c := range rel.Columns() {
		if c.Dropped {
			continue
		}
		value, err := text(row, i)
		if err != nil {
			return err
		}
		r.Values = append(r.Values, value)
	}
	*to = r
	return nil
}

// text is a value as text; in hexadecimal when only an extension knows how to print it.
func text(row *catalog.Row, i int) (v Value, err error) {
	v.Text, v.Null, err = row.Text(i)
	if !errors.Is(err, catalog.ErrNoOutput) {
		return v, err
	}
	raw, err := row.Value(i)
	return Value{Text: `\x` + hex.EncodeToString(raw)}, err
}

// columns are the names of a catalog's columns.
func (f *Feed) columns(rel *catalog.Relation) []string {
	if names, ok := f.names[rel.OID]; ok {
		return names
	}
	var names []string
	for _, c := range rel.Columns() {
		if !c.Dropped {
			names = append(names, c.Name)
		}
	}
	f.names[rel.OID] = names
	return names
}
