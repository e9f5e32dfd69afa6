// SPDX-License-Identifier: Apache-2.0

package pgsql

// Query is a SELECT, VALUES or TABLE as it was written.
type Query struct {
	p             *Parser // says where in the text an error is
	with          []namedQuery
	body          *selectNode
	order         []sortKey
	limit, offset *expr // nil: none
}

// namedQuery is a query of WITH.
type namedQuery struct {
	name    string
	columns []string
	query   *Query
}

// selectNode is one SELECT, or two that a set operation joins.
type selectNode struct {
	pos         int
	op          string // union, except, intersect; "" is a single one
	all         bool
	left, right *selectNode

	inner    *Query // a query in parentheses
	distinct bool
	outputs  []output
	from     []*fromNode
	where    *expr
	group    []*expr
	having   *expr
	values   [][]*expr
}

type output struct {
	expr  *expr
	alias string
}

type sortKey struct {
	expr       *expr
	descending bool
	nulls      string // first, last; "" is as PostgreSQL does without
}

// Query reads a query, of which the first word comes next.
func (p *Parser) Query() (*Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	q := &Query{p: p}
	if err := p.with(q); err != nil {
		return nil, err
	}
	var err error
	if q.body, err = p.setOperation(1); err != nil {
		return nil, err
	}
	if p.Next.Is("order") {
		if q.order, err = p.orderBy(); err != nil {
			return nil, err
		}
	}
	return q, p.limits(q)
}

func (p *Parser) beginsQuery() bool {
	return p.Next.Is("select") || p.Next.Is("values") || p.Next.Is("with") || p.Next.Is("table")
}

// with reads the queries of WITH.
func (p *Parser) with(q *Query) error {
	if ok, err := p.Accept("with"); err != nil || !ok {
		return err
	}
	if p.Next.Is("recursive") {
		return p.unsupported("WITH RECURSIVE")
	}
	return p.list(func() (err error) {
		var n namedQuery
		if n.name, err = p.Identifier(); err != nil {
			return err
		}
		if p.Next.Is("(") {
			if n.columns, err = p.names(); err != nil {
				return err
			}
		}
		if err := p.Expect("as"); err != nil {
			return err
		}
		for _, word := range []string{"not", "materialized"} {
			if _, err := p.Accept(word); err != nil {
				return err
			}
		}
		n.query, err = p.parenthesized()
		q.with = append(q.with, n)
		return err
	})
}

// names reads a list of names in parentheses.
func (p *Parser) names() ([]string, error) {
	var all []string
	if err := p.Expect("("); err != nil {
		return nil, err
	}
	err := p.list(func() error {
		name, err := p.Identifier()
		all = append(all, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, p.Expect(")")
}

// parenthesized reads a query in parentheses.
func (p *Parser) parenthesized() (*Query, error) {
	if err := p.Expect("("); err != nil {
		return nil, err
	}
	q, err := p.Query()
	if err != nil {
		return nil, err
	}
	return q, p.Expect(")")
}

// setOperation reads what UNION and EXCEPT (1) and INTERSECT (2) join.
func (p *Parser) setOperation(level int) (*selectNode, error) {
	next := func() (*selectNode, error) { return p.setOperation(2) }
	ops := []string{"union", "except"}
	if level == 2 {
		next, ops = p.selectOne, []string{"intersect"}
	}
	left, err := next()
	for err == nil && (p.Next.Is(ops[0]) || p.Next.Is(ops[len(ops)-1])) {
		if err := p.enter(); err != nil { // what comes of it is nested
			return nil, err
		}
		defer p.leave()
		joined := &selectNode{op: p.Next.Text, pos: p.Next.Pos, left: left}
		if err := p.Advance(); err != nil {
			return nil, err
		}
		if joined.all, err = p.Accept("all"); err != nil {
			return nil, err
		}
		if _, err := p.Accept("distinct"); err != nil {
			return nil, err
		}
		joined.right, err = next()
		left = joined
	}
	return left, err
}

// selectOne reads one SELECT, VALUES, TABLE, or a query in parentheses.
func (p *Parser) selectOne() (*selectNode, error) {
	s := &selectNode{pos: p.Next.Pos}
	var err error
	switch {
	case p.Next.Is("("):
		s.inner, err = p.parenthesized()
		return s, err
	case p.Next.Is("values"):
		return s, p.valuesList(s)
	case p.Next.Is("table"):
		if err := p.Advance(); err != nil {
			return nil, err
		}
		s.outputs = []output{{expr: &expr{kind: exprStar, pos: p.Next.Pos}}}
		from, err := p.tableName()
		s.from = []*fromNode{from}
		return s, err
	}
	if err := p.Expect("select"); err != nil {
		return nil, err
	}
	for _, part := range []func(*selectNode) error{p.distinct, p.outputs, p.fromClause, p.where, p.groupBy} {
		if err := part(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (p *Parser) valuesList(s *selectNode) error {
	if err := p.Advance(); err != nil {
		return err
	}
	return p.list(func() error {
		pos := p.Next.Pos
		if err := p.Expect("("); err != nil {
			return err
		}
		row, err := p.exprList()
		s.values = append(s.values, row)
		if len(row) != len(s.values[0]) {
			return p.At(pos, errorf(codeSyntax, "VALUES lists must all be the same length"))
		}
		if err != nil {
			return err
		}
		return p.Expect(")")
	})
}

func (p *Parser) distinct(s *selectNode) (err error) {
	if s.distinct, err = p.Accept("distinct"); err != nil {
		return err
	}
	if s.distinct && p.Next.Is("on") {
		return p.unsupported("DISTINCT ON")
	}
	_, err = p.Accept("all")
	return err
}

func (p *Parser) outputs(s *selectNode) error {
	if p.Ends() || p.Next.Is(")") || p.Next.Is("from") || p.Next.Is("where") {
		return nil
	}
	return p.list(func() error {
		o, err := p.output()
		s.outputs = append(s.outputs, o)
		return err
	})
}

func (p *Parser) output() (o output, err error) {
	if p.Next.Is("*") {
		o.expr = &expr{kind: exprStar, pos: p.Next.Pos}
		return o, p.Advance()
	}
	if o.expr, err = p.expr(); err != nil {
		return o, err
	}
	as, err := p.Accept("as")
	switch {
	case err != nil:
		return o, err
	case as:
		o.alias, err = p.label()
	case p.Next.Kind == Quoted, p.Next.Kind == Word && !notLabel[p.Next.Text]:
		o.alias, err = p.label()
	}
	return o, err
}

func (p *Parser) where(s *selectNode) error {
	ok, err := p.Accept("where")
	if ok && err == nil {
		s.where, err = p.expr()
	}
	return err
}

func (p *Parser) groupBy(s *selectNode) error {
	ok, err := p.Accept("group")
	if err != nil {
		return err
	}
	if ok {
		if err := p.Expect("by"); err != nil {
			return err
		}
		if p.Next.Is("rollup") || p.Next.Is("cube") || p.Next.Is("grouping") {
			return p.unsupported("GROUP BY " + p.Next.Source)
		}
		if s.group, err = p.exprList(); err != nil {
			return err
		}
	}
	if ok, err = p.Accept("having"); ok && err == nil {
		s.having, err = p.expr()
	}
	if err == nil && p.Next.Is("window") {
		return p.unsupported("WINDOW")
	}
	return err
}

// orderBy reads ORDER BY.
func (p *Parser) orderBy() (keys []sortKey, err error) {
	if err := p.Expect("order", "by"); err != nil {
		return nil, err
	}
	err = p.list(func() (err error) {
		var key sortKey
		if key.expr, err = p.expr(); err != nil {
			return err
		}
		if key.descending, err = p.Accept("desc"); err != nil {
			return err
		}
		if _, err := p.Accept("asc"); err != nil {
			return err
		}
		nulls, err := p.Accept("nulls")
		if err != nil {
			return err
		}
		if nulls {
			if key.nulls = p.Next.Text; key.nulls != "first" && key.nulls != "last" {
				return p.Unexpected()
			}
			err = p.Advance()
		}
		keys = append(keys, key)
		return err
	})
	return keys, err
}

// limits reads LIMIT and OFFSET, in either order, and FETCH FIRST.
func (p *Parser) limits(q *Query) (err error) {
	for err == nil {
		switch {
		case p.Next.Is("limit") && q.limit == nil:
			if err = p.Advance(); err != nil {
				return err
			}
			if p.Next.Is("all") {
				q.limit = &expr{kind: exprNull, pos: p.Next.Pos}
				err = p.Advance()
				continue
			}
			q.limit, err = p.expr()
		case p.Next.Is("offset") && q.offset == nil:
			if err = p.Advance(); err != nil {
				return err
			}
			q.offset, err = p.expr()
			err = p.skipRows(err)
		case p.Next.Is("fetch") && q.limit == nil:
			err = p.fetchFirst(q)
		case p.Next.Is("for"):
			return p.unsupported("row locking")
		default:
			return nil
		}
	}
	return err
}

func (p *Parser) skipRows(err error) error {
	for _, word := range []string{"row", "rows"} {
		if err == nil {
			_, err = p.Accept(word)
		}
	}
	return err
}

func (p *Parser) fetchFirst(q *Query) error {
	if err := p.Advance(); err != nil {
		return err
	}
	if !p.Next.Is("first") && !p.Next.Is("next") {
		return p.Unexpected()
	}
	if err := p.Advance(); err != nil {
		return err
	}
	q.limit = &expr{kind: exprInteger, text: "1", pos: p.Next.Pos}
	if !p.Next.Is("row") && !p.Next.Is("rows") {
		var err error
		if q.limit, err = p.primary(); err != nil {
			return err
		}
	}
	if err := p.skipRows(nil); err != nil {
		return err
	}
	return p.Expect("only")
}
