// SPDX-License-Identifier: Apache-2.0

package pgsql

// fromNode is what FROM reads from: a relation, a function, a query, or two of these that are joined.
type fromNode struct {
	pos     int
	schema  string
	name    string   // of a relation
	query   *Query   // of a query in parentheses
	call    *expr    // of a function
	alias   string   // "": none
	columns []string // names that replace those of columns
	lateral bool

	join        string // inner, left, right, full, cross; "": no join
	natural     bool
	left, right *fromNode
	on          *expr
	using       []string
}

func (p *Parser) fromClause(s *selectNode) error {
	if ok, err := p.Accept("from"); err != nil || !ok {
		return err
	}
	return p.list(func() error {
		from, err := p.joined()
		s.from = append(s.from, from)
		return err
	})
}

// joined reads a relation and the joins behind it.
func (p *Parser) joined() (*fromNode, error) {
	left, err := p.fromItem()
	for n := 0; err == nil; n++ {
		j := &fromNode{pos: p.Next.Pos, left: left}
		ok, err := p.joinKind(j)
		if err != nil {
			return nil, err
		}
		if !ok {
			return left, nil
		}
		if n == maxJoins {
			return nil, p.At(p.Next.Pos, errorf(codeStatementTooComplex, "more than %d joins", maxJoins))
		}
		if j.right, err = p.fromItem(); err != nil {
			return nil, err
		}
		if err := p.joinCondition(j); err != nil {
			return nil, err
		}
		left = j
	}
	return left, err
}

// maxJoins is what SQLite can do.
const maxJoins = 60

func (p *Parser) joinKind(j *fromNode) (ok bool, err error) {
	if j.natural, err = p.Accept("natural"); err != nil {
		return false, err
	}
	j.join = "inner"
	switch {
	case p.Next.Is("cross"), p.Next.Is("left"), p.Next.Is("right"), p.Next.Is("full"), p.Next.Is("inner"):
		j.join = p.Next.Text
		if err := p.Advance(); err != nil {
			return false, err
		}
		if j.join != "inner" && j.join != "cross" {
			if _, err := p.Accept("outer"); err != nil {
				return false, err
			}
		}
		return true, p.Expect("join")
	case j.natural:
		return true, p.Expect("join")
	}
	return p.Accept("join")
}

func (p *Parser) joinCondition(j *fromNode) (err error) {
	switch {
	case j.join == "cross", j.natural:
		return nil
	case p.Next.Is("using"):
		if err := p.Advance(); err != nil {
			return err
		}
		j.using, err = p.names()
		return err
	}
	if err := p.Expect("on"); err != nil {
		return err
	}
	j.on, err = p.expr()
	return err
}

// fromItem reads what is no join, or a join in parentheses.
func (p *Parser) fromItem() (*fromNode, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	lateral, err := p.Accept("lateral")
	if err != nil {
		return nil, err
	}
	var f *fromNode
	switch {
	case p.Next.Is("("):
		f, err = p.fromParentheses()
	default:
		f, err = p.tableName()
		if err == nil && p.Next.Is("(") {
			f.call = &expr{kind: exprCall, pos: f.pos, name: f.name, qualifier: f.schema}
			err = p.arguments(f.call)
		}
	}
	if err != nil {
		return nil, err
	}
	f.lateral = lateral
	if p.Next.Is("with") && p.peek().Is("ordinality") {
		return nil, p.unsupported("WITH ORDINALITY")
	}
	return f, p.fromAlias(f)
}

// fromParentheses reads a query or a join in parentheses.
func (p *Parser) fromParentheses() (*fromNode, error) {
	pos := p.Next.Pos
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if p.beginsQuery() || p.Next.Is("(") {
		q, err := p.Query()
		if err != nil {
			return nil, err
		}
		return &fromNode{pos: pos, query: q}, p.Expect(")")
	}
	f, err := p.joined()
	if err != nil {
		return nil, err
	}
	return f, p.Expect(")")
}

// tableName reads the name of a relation or a function.
func (p *Parser) tableName() (*fromNode, error) {
	if p.Next.Is("only") {
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	f := &fromNode{pos: p.Next.Pos}
	var err error
	if functionWords[p.Next.Text] && p.Next.Kind == Word {
		f.name, err = p.label()
		f.call = &expr{kind: exprCall, pos: f.pos, name: f.name}
		return f, err
	}
	if f.name, err = p.Identifier(); err != nil {
		return nil, err
	}
	if dot, err := p.Accept("."); err != nil || !dot {
		return f, err
	}
	f.schema = f.name
	f.name, err = p.label()
	if err == nil && p.Next.Is(".") {
		err = p.unsupported("a reference to another database")
	}
	return f, err
}

func (p *Parser) fromAlias(f *fromNode) error {
	as, err := p.Accept("as")
	if err != nil {
		return err
	}
	if as || p.Next.Kind == Quoted || p.Next.Kind == Word && !reserved[p.Next.Text] && !notAlias[p.Next.Text] {
		if f.alias, err = p.Identifier(); err != nil {
			return err
		}
		if p.Next.Is("(") {
			f.columns, err = p.names()
		}
		return err
	}
	return nil
}
