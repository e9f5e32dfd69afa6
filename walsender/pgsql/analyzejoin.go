// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"slices"
	"strings"
)

// join analyzes two parts of FROM that are joined (transformFromClauseItem in parse_clause.c).
func (a *analyzer) join(s *scope, node *fromNode) (*fromItem, error) {
	left, err := a.fromItem(s, node.left)
	if err != nil {
		return nil, err
	}
	// What comes right may be a function of what is left.
	beside := &scope{
		outer: s.outer, with: s.with, rels: slices.Concat(s.rels, left.rels), cols: slices.Concat(s.cols, left.cols),
	}
	right, err := a.fromItem(beside, node.right)
	if err != nil {
		return nil, err
	}
	inside := &scope{
		outer: s.outer, with: s.with, rels: slices.Clone(left.rels), cols: slices.Clone(left.cols), clause: "JOIN conditions",
	}
	if err := a.add(inside, node, right); err != nil {
		return nil, err
	}
	item := &fromItem{rels: inside.rels, cols: inside.cols}
	on, err := a.joinCondition(inside, node, left, right, item)
	if err != nil {
		return nil, err
	}
	word := strings.ToUpper(node.join) + " JOIN "
	if node.join == "cross" || node.join == "inner" {
		word = "JOIN " // CROSS would make SQLite keep the order
	}
	if on == "" {
		on = "1"
	}
	rightSQL := right.sql
	if node.right.join != "" {
		rightSQL = "(" + rightSQL + ")"
	}
	item.sql = left.sql + " " + word + rightSQL + " ON " + on
	return item, nil
}

func (a *analyzer) joinCondition(s *scope, node *fromNode, left, right *fromItem, item *fromItem) (string, error) {
	names := node.using
	if node.natural {
		for _, c := range left.cols {
			if slices.ContainsFunc(right.cols, func(d *column) bool { return d.name == c.name }) {
				names = append(names, c.name)
			}
		}
	}
	if names == nil {
		if node.on == nil {
			return "", nil
		}
		on, err := a.condition(s, node.on, "JOIN/ON")
		return on.sql, err
	}
	return a.using(node, names, left, right, item)
}

// using joins by columns of the same name, of which the result has one.
func (a *analyzer) using(node *fromNode, names []string, left, right *fromItem, item *fromItem) (string, error) {
	var conditions []string
	var merged []*column
	rest := [2][]*column{slices.Clone(left.cols), slices.Clone(right.cols)}
	for _, name := range names {
		var pair [2]*column
		for side, cols := range rest {
			var err error
			if pair[side], err = a.usingColumn(node, name, cols, side); err != nil {
				return "", err
			}
			rest[side] = slices.DeleteFunc(cols, func(c *column) bool { return c == pair[side] })
		}
		equal, err := a.compare(&expr{pos: node.pos, name: "="}, pair[0].expr(), pair[1].expr())
		if err != nil {
			return "", err
		}
		conditions = append(conditions, equal.sql)
		merged = append(merged, mergedColumn(node.join, name, pair))
	}
	item.cols = slices.Concat(merged, rest[0], rest[1])
	return strings.Join(conditions, " AND "), nil
}

func (a *analyzer) usingColumn(node *fromNode, name string, cols []*column, side int) (*column, error) {
	var found *column
	for _, c := range cols {
		if c.name == name {
			if found != nil {
				return nil, errorf(codeAmbiguousColumn, "common column name %q appears more than once in %s table", name,
					[]string{"left", "right"}[side])
			}
			found = c
		}
	}
	if found == nil {
		return nil, errorf(codeUndefinedColumn, "column %q specified in USING clause does not exist in %s table", name,
			[]string{"left", "right"}[side])
	}
	return found, nil
}

// mergedColumn is what a join by name shows of two columns.
func mergedColumn(join, name string, pair [2]*column) *column {
	switch join {
	case "right":
		return pair[1]
	case "full":
		l, r := pair[0].expr(), pair[1].expr()
		return &column{typed: of("coalesce("+l.sql+","+r.sql+")", l.oid), name: name}
	}
	return pair[0]
}
