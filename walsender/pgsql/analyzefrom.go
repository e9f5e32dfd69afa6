// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"slices"
	"strings"
)

// fromItem is an analyzed part of FROM.
type fromItem struct {
	sql  string
	rels []*relation
	cols []*column
}

// from analyzes FROM, and makes what it has visible in the scope.
func (a *analyzer) from(s *scope, nodes []*fromNode) (string, error) {
	var all []string
	for _, node := range nodes {
		item, err := a.fromItem(s, node)
		if err != nil {
			return "", err
		}
		if err := a.add(s, node, item); err != nil {
			return "", err
		}
		if node.join != "" && len(all) > 0 {
			item.sql = "(" + item.sql + ")"
		}
		all = append(all, item.sql)
	}
	if len(all) == 0 {
		return "", nil
	}
	return " FROM " + strings.Join(all, " JOIN "), nil
}

func (a *analyzer) add(s *scope, node *fromNode, item *fromItem) error {
	for _, r := range item.rels {
		if slices.ContainsFunc(s.rels, func(other *relation) bool { return r.name != "" && other.name == r.name }) {
			return errorf(codeDuplicateAlias, "table name %q specified more than once", r.name)
		}
	}
	s.rels, s.cols = append(s.rels, item.rels...), append(s.cols, item.cols...)
	return nil
}

func (a *analyzer) fromItem(s *scope, node *fromNode) (*fromItem, error) {
	var item *fromItem
	var err error
	switch {
	case node.join != "":
		item, err = a.join(s, node)
		if err != nil || node.alias == "" {
			return item, err
		}
		item.rels = []*relation{{cols: item.cols}}
	case node.query != nil:
		if node.lateral {
			return nil, a.p.At(node.pos, errorf(codeUnsupported, "a LATERAL query is not supported by this server"))
		}
		item, err = a.subquery(s.outer, s, node.query)
	case node.call != nil:
		item, err = a.functionTable(s, node)
	default:
		item, err = a.table(s, node)
	}
	if err != nil {
		return nil, err
	}
	return item, a.rename(node, item)
}

// rename gives a relation and its columns the names of its alias.
func (a *analyzer) rename(node *fromNode, item *fromItem) error {
	rel := item.rels[0]
	if node.alias != "" {
		rel.name = node.alias
	}
	if len(node.columns) > len(rel.cols) {
		return a.p.At(node.pos, errorf(codeInvalidColumn, "table %q has %d columns available but %d columns specified",
			rel.name, len(rel.cols), len(node.columns)))
	}
	for i, name := range node.columns {
		rel.cols[i].name = name
	}
	return nil
}

// table is a relation by its name.
func (a *analyzer) table(s *scope, node *fromNode) (*fromItem, error) {
	if node.schema == "" {
		if q, at := s.withQuery(node.name); q != nil {
			return a.withTable(q, at)
		}
	}
	if text, ok := systemView(node.schema, node.name); ok && a.env.Catalogs != nil {
		return a.view(node, text)
	}
	t, err := a.lookupTable(node.schema, node.name)
	if err != nil {
		return nil, err
	}
	if t != nil {
		return a.scan(t), nil
	}
	name := node.name
	if node.schema != "" {
		name = node.schema + "." + name
	}
	return nil, a.p.At(node.pos, errorf(codeUndefinedTable, "relation %q does not exist", name))
}

func (a *analyzer) lookupTable(schema, name string) (*Table, error) {
	if a.env.Table != nil && (schema == "" || schema == "pg_catalog") {
		if t := a.env.Table(schema, name); t != nil {
			return t, nil
		}
	}
	if a.env.Catalogs == nil {
		return nil, nil
	}
	return a.env.Catalogs.Table(a.ctx, schema, name)
}

// scan reads a relation.
func (a *analyzer) scan(t *Table) *fromItem {
	use, alias := a.use(t), a.alias()
	rel := &relation{name: t.Name, oid: t.OID}
	for i, c := range t.Columns {
		rel.cols = append(rel.cols, &column{
			typed: typed{oid: c.Type, typmod: c.Typmod + 1, table: t.OID, num: c.Num},
			name:  c.Name, use: use, index: i, alias: alias, rel: rel,
		})
	}
	item := &fromItem{sql: fmt.Sprintf("pgrows(%d) AS %s", use.number, alias), rels: []*relation{rel}}
	item.cols = slices.Clone(rel.cols)
	return item
}

// subquery is a query in FROM. Outer is the scope around the query that it is in.
func (a *analyzer) subquery(outer, with *scope, q *Query) (*fromItem, error) {
	inside := &scope{outer: outer}
	if with != nil {
		inside.with = with.with
	}
	r, err := a.query(q, inside)
	if err != nil {
		return nil, err
	}
	return a.derived(r), nil
}

// derived makes a relation of a query's result.
func (a *analyzer) derived(r *result) *fromItem {
	alias := a.alias()
	rel := &relation{}
	for i, o := range r.outs {
		t := typed{sql: fmt.Sprintf("%s.c%d", alias, i), oid: o.oid, typmod: o.typmod, table: o.table, num: o.num}
		if classOf(t.oid) == classNumeric {
			t.sql = "(" + t.sql + collateNumeric + ")"
		}
		rel.cols = append(rel.cols, &column{typed: t, name: o.name, rel: rel})
	}
	sql := "(" + r.sql + ") AS " + alias
	return &fromItem{sql: sql, rels: []*relation{rel}, cols: slices.Clone(rel.cols)}
}

// withTable is a query of WITH: it stands wherever it is named.
func (a *analyzer) withTable(q *namedQuery, seen *scope) (*fromItem, error) {
	around := &scope{outer: seen.outer, with: map[string]*namedQuery{}}
	for name, other := range seen.with { // it sees only those before it
		if other.query.body.pos < q.query.body.pos {
			around.with[name] = other
		}
	}
	if err := a.p.enter(); err != nil {
		return nil, err
	}
	defer a.p.leave()
	item, err := a.subquery(around, around, q.query)
	if err != nil {
		return nil, err
	}
	item.rels[0].name = q.name
	return item, a.rename(&fromNode{columns: q.columns, pos: q.query.body.pos}, item)
}

// view is a query that stands for a relation.
func (a *analyzer) view(node *fromNode, text string) (*fromItem, error) {
	p, err := NewParser(text, true)
	if err != nil {
		return nil, err
	}
	q, err := p.Query()
	if err != nil {
		return nil, err
	}
	outside := a.p
	a.p = p
	item, err := a.subquery(nil, nil, q)
	a.p = outside
	if err != nil {
		return nil, err
	}
	item.rels[0].name = node.name
	for _, c := range item.cols {
		c.table, c.num = 0, 0
	}
	return item, nil
}

// functionTable is a function in FROM.
func (a *analyzer) functionTable(s *scope, node *fromNode) (*fromItem, error) {
	call := node.call
	if len(call.args) == 0 && a.env.Table != nil && (call.qualifier == "" || call.qualifier == "pg_catalog") {
		if t := a.env.Table("", call.name); t != nil {
			return a.scan(t), nil
		}
	}
	alias := a.alias()
	t, sql, err := a.rowsCall(s, call)
	if err != nil {
		return nil, err
	}
	if sql == "" {
		if t, err = a.call(&scope{outer: s}, call); err != nil {
			return nil, err
		}
		sql = "(SELECT " + t.sql + " AS c0)"
	}
	c := &column{typed: typed{sql: alias + ".c0", oid: t.oid}, name: call.name}
	if node.alias != "" {
		c.name = node.alias
	}
	rel := &relation{name: call.name, cols: []*column{c}}
	c.rel = rel
	return &fromItem{sql: sql + " AS " + alias, rels: []*relation{rel}, cols: []*column{c}}, nil
}
