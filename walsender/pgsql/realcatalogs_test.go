// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

// realCatalogs are the catalogs of a real server, read over SQL: what the engine is given is what the server has.
type realCatalogs struct {
	t      *testing.T
	conn   *pgconn.PgConn
	mu     sync.Mutex
	tables map[string]*Table
	rows   map[string][][]Value
}

func (c *realCatalogs) query(sql string) [][][]byte {
	results, err := c.conn.Exec(c.t.Context(), sql).ReadAll()
	require.NoError(c.t, err, sql)
	return results[0].Rows
}

func (c *realCatalogs) Table(_ context.Context, schema, name string) (*Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.tables[name]; ok || schema != "" && schema != "pg_catalog" {
		return t, nil
	}
	rows := c.query(`SELECT attname, atttypid, atttypmod, attnum, attrelid FROM pg_attribute WHERE attnum > 0 AND attrelid =
		(SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace AND relname = ` +
		quote(name) + ") ORDER BY attnum")
	var t *Table
	for _, row := range rows {
		n := make([]int64, len(row))
		for i := range row[1:] {
			n[i+1], _ = strconv.ParseInt(string(row[i+1]), 10, 64)
		}
		if t == nil {
			t = &Table{Schema: "pg_catalog", Name: name, OID: uint32(n[4])}
		}
		t.Columns = append(t.Columns, Column{Name: string(row[0]), Type: uint32(n[1]), Typmod: int32(n[2]), Num: int16(n[3])})
	}
	c.tables[name] = t
	return t, nil
}

func (c *realCatalogs) Read(_ context.Context, scans []Scan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, scan := range scans {
		for _, row := range c.all(scan.Table) {
			picked := make([]Value, len(scan.Columns))
			for i, n := range scan.Columns {
				picked[i] = row[n]
			}
			if err := scan.Add(picked); err != nil {
				return err
			}
		}
	}
	return nil
}

// all reads a relation once.
func (c *realCatalogs) all(t *Table) [][]Value {
	if rows, ok := c.rows[t.Name]; ok {
		return rows
	}
	list := ""
	for _, column := range t.Columns {
		name := string(pgtext.AppendIdentifier(nil, column.Name, xlog.PostgreSQL, 18))
		if isReg(column.Type) {
			name += "::oid"
		}
		list += "," + name
	}
	rows := [][]Value{}
	for _, texts := range c.query("SELECT " + list[1:] + " FROM " + t.Name) {
		row := make([]Value, len(texts))
		for i, text := range texts {
			if text != nil {
				var err error
				row[i], err = CatalogText(string(text), t.Columns[i].Type)
				require.NoError(c.t, err, t.Name+"."+t.Columns[i].Name)
			}
		}
		rows = append(rows, row)
	}
	c.rows[t.Name] = rows
	return rows
}
