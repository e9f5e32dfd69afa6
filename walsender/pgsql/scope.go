// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"slices"
)

// scope is what names in a query can mean.
type scope struct {
	outer  *scope
	rels   []*relation
	cols   []*column // of all that is in FROM, in the order of *
	with   map[string]*namedQuery
	groups []string // GROUP BY, in the SQL of SQLite

	clause      string // that is analyzed, where it may have no aggregates
	inAggregate bool
}

// relation is what FROM gives a name.
type relation struct {
	name string
	cols []*column
	oid  uint32 // of the table that it is; 0: none
}

// column is one of a relation.
type column struct {
	typed // sql is empty when use is set
	name  string
	use   *tableUse // it is read from a relation
	index int
	alias string    // of the relation in the SQL of SQLite
	rel   *relation // nil: of a join that has merged columns
}

// expr is the column in the SQL of SQLite.
func (c *column) expr() typed {
	t := c.typed
	if c.use != nil {
		t.sql = fmt.Sprintf("%s.c%d", c.alias, c.use.position(c.index))
		if classOf(t.oid) == classNumeric {
			t.sql = "(" + t.sql + collateNumeric + ")"
		}
	}
	t.name = c.name
	return t
}

func (c *column) fullName() string {
	if c.rel == nil || c.rel.name == "" {
		return c.name
	}
	return c.rel.name + "." + c.name
}

// collateNumeric makes SQLite compare numbers that are kept as text.
const collateNumeric = " COLLATE pgnumeric"

// findColumn finds the column that a name means, here or in the queries around. Own says that it is one of this query.
func (a *analyzer) findColumn(s *scope, e *expr) (c *column, own bool, err error) {
	for at := s; at != nil; at = at.outer {
		c, err := a.columnOf(at, e)
		if c != nil || err != nil {
			return c, at == s, err
		}
	}
	return nil, false, a.noColumn(s, e)
}

func (a *analyzer) columnOf(s *scope, e *expr) (*column, error) {
	cols := s.cols
	if e.qualifier != "" {
		rel, err := a.relationOf(s, e)
		if rel == nil || err != nil {
			return nil, err
		}
		cols = rel.cols
	}
	var found *column
	for _, c := range cols {
		if c.name != e.name {
			continue
		}
		if found != nil {
			return nil, a.p.At(e.pos, errorf(codeAmbiguousColumn, "column reference %q is ambiguous", e.name))
		}
		found = c
	}
	if found == nil && e.name == "tableoid" {
		return a.tableOID(s, e), nil
	}
	return found, nil
}

// tableOID is the system column of that name, of the relation that is named or of the only one that there is.
func (a *analyzer) tableOID(s *scope, e *expr) *column {
	for _, rel := range s.rels {
		if rel.oid != 0 && (rel.name == e.qualifier || e.qualifier == "" && len(s.rels) == 1) {
			return &column{typed: constant(int64(rel.oid), OID), name: e.name, rel: rel}
		}
	}
	return nil
}

func (a *analyzer) relationOf(s *scope, e *expr) (*relation, error) {
	i := slices.IndexFunc(s.rels, func(r *relation) bool { return r.name == e.qualifier })
	if i < 0 {
		return nil, nil
	}
	return s.rels[i], nil
}

// noColumn is the error for a name that means nothing.
func (a *analyzer) noColumn(s *scope, e *expr) error {
	if e.qualifier == "" {
		return a.p.At(e.pos, errorf(codeUndefinedColumn, "column %q does not exist", e.name))
	}
	for at := s; at != nil; at = at.outer {
		if rel, _ := a.relationOf(at, e); rel != nil {
			return a.p.At(e.pos, errorf(codeUndefinedColumn, "column %s.%s does not exist", e.qualifier, e.name))
		}
	}
	return a.noRelation(e)
}

func (a *analyzer) noRelation(e *expr) error {
	return a.p.At(e.pos, errorf(codeUndefinedTable, "missing FROM-clause entry for table %q", e.qualifier))
}

// star is what * or relation.* stands for.
func (a *analyzer) star(s *scope, e *expr) ([]*column, error) {
	if e.qualifier == "" {
		if len(s.rels) == 0 {
			return nil, a.p.At(e.pos, errorf(codeSyntax, "SELECT * with no tables specified is not valid"))
		}
		return s.cols, nil
	}
	for at := s; at != nil; at = at.outer {
		if rel, err := a.relationOf(at, e); rel != nil || err != nil {
			return rel.cols, err
		}
	}
	return nil, a.noRelation(e)
}

// withQuery finds a query of WITH, and the scope that it is seen from.
func (s *scope) withQuery(name string) (*namedQuery, *scope) {
	for at := s; at != nil; at = at.outer {
		if q := at.with[name]; q != nil {
			return q, at
		}
	}
	return nil, nil
}
