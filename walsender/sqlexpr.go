// SPDX-License-Identifier: Apache-2.0

package walsender

import "strconv"

type exprKind uint8

const (
	exprStar   exprKind = iota + 1
	exprValue           // value of type oid
	exprParam           // parameter number index+1
	exprColumn          // column number index of the relation, named name
	exprCall            // name(args)
	exprCast            // args[0]::name, of type oid
	exprCount           // count(*)
)

// expr is an expression. The parser makes it; session.resolve finds what its names mean.
type expr struct {
	kind      exprKind
	pos       int // in the text, in bytes
	name      string
	qualifier string // the relation that a column is said to be of
	args      []*expr
	value     datum

	oid      uint32 // the type; 0: it becomes what it is compared with
	index    int
	function *function
}

// expr reads a primary expression and the casts behind it.
func (p *sqlParser) expr() (*expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.tooDeep()
	}
	e, err := p.primary()
	for err == nil && p.next.is("::") {
		if err = p.advance(); err != nil {
			break
		}
		cast := &expr{kind: exprCast, pos: p.next.pos, args: []*expr{e}}
		if cast.name, err = p.qualified(); err == nil {
			cast.oid = castTypes[cast.name]
		}
		e = cast
	}
	return e, err
}

// castTypes are the types that a value can be cast to.
var castTypes = map[string]uint32{
	"text": oidText, "varchar": oidText, "name": oidName, "pg_lsn": oidPGLSN, "int": oidInt4, "integer": oidInt4,
	"int4": oidInt4, "int8": oidInt8, "bigint": oidInt8, "bool": oidBool, "boolean": oidBool, "oid": oidOID,
}

func (p *sqlParser) primary() (*expr, error) {
	e := &expr{pos: p.next.pos}
	switch p.next.kind {
	case sqlString:
		e.kind, e.value = exprValue, p.next.text
		return e, p.advance()
	case sqlNumber:
		n, err := strconv.ParseInt(p.next.text, 10, 64)
		if err != nil {
			return nil, p.unexpected()
		}
		e.kind, e.value, e.oid = exprValue, n, oidInt4
		if int64(int32(n)) != n {
			e.oid = oidInt8
		}
		return e, p.advance()
	case sqlParam:
		n, err := p.parameter()
		if err != nil {
			return nil, err
		}
		e.kind, e.index = exprParam, n-1
		return e, p.advance()
	case sqlWord, sqlQuoted:
		return p.named(e)
	}
	if !p.next.is("(") {
		return nil, p.notUnderstood()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	if !p.next.is(")") {
		return nil, p.notUnderstood()
	}
	return e, p.advance()
}

// named reads a column, a function, or a word that has a meaning.
func (p *sqlParser) named(e *expr) (*expr, error) {
	first := p.next
	if first.kind == sqlWord {
		switch first.text {
		case "select", "from", "where", "order", "by", "as", "and", "desc", "asc":
			return nil, p.unexpected()
		}
		if beyond[first.text] {
			return nil, p.notUnderstood()
		}
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if first.kind == sqlWord && wordValue(e, first.text) {
		return e, nil
	}
	e.kind, e.name = exprColumn, first.text
	if dot, err := p.accept("."); err != nil {
		return nil, err
	} else if dot {
		if p.next.is("*") {
			e.kind, e.qualifier = exprStar, first.text
			return e, p.advance()
		}
		e.qualifier = first.text
		if e.name, err = p.identifier(); err != nil {
			return nil, err
		}
	}
	if !p.next.is("(") {
		return e, nil
	}
	return p.call(e)
}

// wordValue is the meaning of a key word that is a value, or a function without parentheses.
func wordValue(e *expr, word string) bool {
	switch word {
	case "null":
		e.kind = exprValue
	case "true", "false":
		e.kind, e.value, e.oid = exprValue, word == "true", oidBool
	case "current_user", "session_user", "user", "current_role", "current_catalog", "current_timestamp":
		e.kind, e.name = exprCall, word
	default:
		return false
	}
	return true
}

// call reads the arguments of a function.
func (p *sqlParser) call(e *expr) (*expr, error) {
	e.kind = exprCall
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if e.name == "count" && p.next.is("*") {
		e.kind, e.oid = exprCount, oidInt8
		if err := p.advance(); err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	for !p.next.is(")") {
		if len(e.args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.expr()
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, arg)
	}
	return e, p.advance()
}
