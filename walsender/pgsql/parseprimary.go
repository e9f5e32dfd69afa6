// SPDX-License-Identifier: Apache-2.0

package pgsql

import "strconv"

// primary reads an expression without operators.
func (p *Parser) primary() (*expr, error) {
	e := &expr{pos: p.Next.Pos, text: p.Next.Text}
	switch p.Next.Kind {
	case String:
		e.kind = exprString
	case Integer:
		e.kind = exprInteger
	case Decimal:
		if e.kind = exprDecimal; e.text == "" {
			return nil, p.unsupported("this number")
		}
	case Param:
		return p.parameter()
	case Quoted:
		return p.named(e)
	case Word:
		return p.word(e)
	default:
		if !p.Next.Is("(") {
			return nil, p.Unexpected()
		}
		return p.parentheses(e)
	}
	return e, p.Advance()
}

// parentheses reads an expression, a row or a query in parentheses.
func (p *Parser) parentheses(e *expr) (*expr, error) {
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if p.beginsQuery() {
		var err error
		e.kind = exprQuery
		if e.query, err = p.Query(); err != nil {
			return nil, err
		}
		return e, p.Expect(")")
	}
	list, err := p.exprList()
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return nil, p.unsupported("a row")
	}
	return list[0], p.Expect(")")
}

// functionWords are functions without parentheses.
var functionWords = words(`current_user session_user user current_role current_catalog current_schema current_timestamp
	current_date localtimestamp`)

// word reads what begins with a word: what a key word means, a name or a call.
func (p *Parser) word(e *expr) (*expr, error) {
	switch word := p.Next.Text; word {
	case "null":
		e.kind = exprNull
		return e, p.Advance()
	case "true", "false":
		e.kind = exprBool
		return e, p.Advance()
	case "case":
		return p.caseExpr(e)
	case "cast":
		return p.cast(e)
	case "array":
		return p.array(e)
	case "exists":
		if p.peek().Is("(") {
			return p.exists(e)
		}
	case "extract":
		if p.peek().Is("(") {
			return p.extract(e)
		}
	case "row":
		if p.peek().Is("(") {
			return nil, p.unsupported("a row")
		}
	case "interval", "timestamp", "timestamptz", "date", "text", "name", "oid", "regclass", "pg_lsn", "bool", "numeric",
		"regtype", "regnamespace", "regproc", "regrole", "inet":
		if p.peek().Kind == String {
			return p.typedLiteral(e)
		}
	}
	if functionWords[p.Next.Text] && (p.Next.Text != "current_schema" || !p.peek().Is("(")) {
		e.kind, e.name = exprCall, p.Next.Text
		return e, p.Advance()
	}
	if reserved[p.Next.Text] {
		return nil, p.Unexpected()
	}
	return p.named(e)
}

// named reads a column or a call.
func (p *Parser) named(e *expr) (*expr, error) {
	e.kind, e.name = exprColumn, p.Next.Text
	if err := p.Advance(); err != nil {
		return nil, err
	}
	for n := 0; p.Next.Is("."); n++ {
		if err := p.Advance(); err != nil {
			return nil, err
		}
		if n > 0 && e.qualifier != "pg_catalog" {
			return nil, p.unsupported("a name of more than two parts")
		}
		e.qualifier = e.name
		if p.Next.Is("*") {
			e.kind = exprStar
			return e, p.Advance()
		}
		var err error
		if e.name, err = p.label(); err != nil {
			return nil, err
		}
	}
	if p.Next.Is("(") {
		e.kind = exprCall
		if err := p.arguments(e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// arguments reads those of a call, and what can stand behind them.
func (p *Parser) arguments(e *expr) error {
	if err := p.Expect("("); err != nil {
		return err
	}
	var d callDetails
	var err error
	switch {
	case p.Next.Is("*"):
		d.star = true
		err = p.Advance()
	case !p.Next.Is(")"):
		if d.distinct, err = p.Accept("distinct"); err != nil {
			return err
		}
		if p.Next.Is("variadic") {
			return p.unsupported("VARIADIC")
		}
		e.args, err = p.exprList()
	}
	if err == nil && p.Next.Is("order") {
		d.order, err = p.orderBy()
	}
	if err != nil {
		return err
	}
	if err := p.Expect(")"); err != nil {
		return err
	}
	if p.Next.Is("filter") {
		if err := p.filter(&d); err != nil {
			return err
		}
	}
	if p.Next.Is("over") || p.Next.Is("within") {
		return p.unsupported("a window function")
	}
	if d.star || d.distinct || d.order != nil || d.filter != nil {
		e.call = &d
	}
	return nil
}

func (p *Parser) filter(d *callDetails) (err error) {
	if err := p.Advance(); err != nil {
		return err
	}
	if err := p.Expect("(", "where"); err != nil {
		return err
	}
	if d.filter, err = p.expr(); err != nil {
		return err
	}
	return p.Expect(")")
}

func (p *Parser) caseExpr(e *expr) (_ *expr, err error) {
	e.kind = exprCase
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if !p.Next.Is("when") {
		if e.operand, err = p.expr(); err != nil {
			return nil, err
		}
	}
	for n := 0; p.Next.Is("when") || n == 0; n++ {
		if n == maxChain {
			return nil, p.At(p.Next.Pos, errorf(codeStatementTooComplex, "a CASE has more than %d branches", maxChain))
		}
		for _, word := range []string{"when", "then"} {
			if err := p.Expect(word); err != nil {
				return nil, err
			}
			arg, err := p.expr()
			if err != nil {
				return nil, err
			}
			e.args = append(e.args, arg)
		}
	}
	otherwise, err := p.Accept("else")
	if err != nil {
		return nil, err
	}
	if otherwise {
		if e.otherwise, err = p.expr(); err != nil {
			return nil, err
		}
	}
	return e, p.Expect("end")
}

func (p *Parser) cast(e *expr) (_ *expr, err error) {
	e.kind = exprCast
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if err := p.Expect("("); err != nil {
		return nil, err
	}
	arg, err := p.expr()
	if err != nil {
		return nil, err
	}
	if err := p.Expect("as"); err != nil {
		return nil, err
	}
	e.args = []*expr{arg}
	if e.typ, err = p.typeName(); err != nil {
		return nil, err
	}
	return e, p.Expect(")")
}

// typedLiteral reads a type and a literal of it.
func (p *Parser) typedLiteral(e *expr) (_ *expr, err error) {
	e.kind = exprCast
	if e.typ, err = p.typeName(); err != nil {
		return nil, err
	}
	e.args = []*expr{{kind: exprString, pos: p.Next.Pos, text: p.Next.Text}}
	return e, p.Advance()
}

func (p *Parser) array(e *expr) (_ *expr, err error) {
	e.kind = exprArray
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if p.Next.Is("(") {
		e.query, err = p.parenthesized()
		return e, err
	}
	if err := p.Expect("["); err != nil {
		return nil, err
	}
	if !p.Next.Is("]") {
		if e.args, err = p.exprList(); err != nil {
			return nil, err
		}
	}
	return e, p.Expect("]")
}

func (p *Parser) exists(e *expr) (_ *expr, err error) {
	e.kind = exprExists
	if err := p.Advance(); err != nil {
		return nil, err
	}
	e.query, err = p.parenthesized()
	return e, err
}

// extract reads extract(field FROM source).
func (p *Parser) extract(e *expr) (*expr, error) {
	e.kind, e.name = exprCall, "extract"
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if err := p.Expect("("); err != nil {
		return nil, err
	}
	if p.Next.Kind != Word && p.Next.Kind != String {
		return nil, p.Unexpected()
	}
	field := &expr{kind: exprString, pos: p.Next.Pos, text: p.Next.Text}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if err := p.Expect("from"); err != nil {
		return nil, err
	}
	source, err := p.expr()
	if err != nil {
		return nil, err
	}
	e.args = []*expr{field, source}
	return e, p.Expect(")")
}

// typeName reads the name of a type.
func (p *Parser) typeName() (t typeText, err error) {
	t.pos = p.Next.Pos
	if t.name, err = p.label(); err != nil {
		return t, err
	}
	if dot, err := p.Accept("."); err != nil {
		return t, err
	} else if dot {
		if t.name, err = p.label(); err != nil {
			return t, err
		}
	}
	if err := p.typeWords(&t); err != nil {
		return t, err
	}
	if p.Next.Is("(") {
		if err := p.typeSize(&t); err != nil {
			return t, err
		}
	}
	for p.Next.Is("[") {
		t.array = true
		if err := p.Expect("[", "]"); err != nil {
			return t, err
		}
	}
	return t, nil
}

// typeWords reads the rest of a name of several words.
func (p *Parser) typeWords(t *typeText) error {
	switch t.name {
	case "double":
		t.name = "float8"
		return p.Expect("precision")
	case "character":
		if p.Next.Is("varying") {
			t.name = "varchar"
			return p.Advance()
		}
	case "timestamp", "time":
		if p.Next.Is("with") || p.Next.Is("without") {
			if p.Next.Is("with") {
				t.name += "tz"
			}
			if err := p.Advance(); err != nil {
				return err
			}
			return p.Expect("time", "zone")
		}
	}
	return nil
}

func (p *Parser) typeSize(t *typeText) (err error) {
	if err := p.Advance(); err != nil {
		return err
	}
	if t.size, err = strconv.Atoi(p.Next.Text); err != nil || p.Next.Kind != Integer {
		return p.Unexpected()
	}
	if err := p.Advance(); err != nil {
		return err
	}
	if p.Next.Is(",") {
		return p.unsupported("a type with two modifiers")
	}
	return p.Expect(")")
}
