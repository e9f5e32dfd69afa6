// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/walmirror/walmirror/protocol"
)

// selectText is a SELECT as it was written.
type selectText struct {
	outputs []output
	from    string // "": no FROM
	fromPos int
	alias   string // the name of what from is in this SELECT
	where   []condition
	order   []ordering
	limit   int // below 0: none
}

type output struct {
	expr  *expr
	alias string
}

// A condition compares two expressions; with op "" the left one is the condition. All conditions have to hold.
type condition struct {
	left, right *expr
	op          string // = <> < <= > >=, "is null", "is not null", "not", ""
}

type ordering struct {
	name       string // of an output or a column, or the number of an output
	descending bool
	pos        int
}

// sqlParser reads statements. Of SELECT it knows one relation, functions, comparisons joined by AND, ORDER BY, LIMIT, and
// count(*).
type sqlParser struct {
	sqlLexer
	next   sqlToken
	depth  int
	simple bool // a simple query, which has no parameters
}

// maxDepth is how deep expressions may be nested.
const maxDepth = 50

func newSQLParser(text string, simple bool) (*sqlParser, error) {
	p := &sqlParser{sqlLexer: sqlLexer{text: text}, simple: simple}
	return p, p.advance()
}

func (p *sqlParser) advance() (err error) {
	p.next, err = p.scan()
	return err
}

// accept goes on when the next token is the operator or key word.
func (p *sqlParser) accept(what string) (bool, error) {
	if !p.next.is(what) {
		return false, nil
	}
	return true, p.advance()
}

// expect is accept of what must come.
func (p *sqlParser) expect(what string) error {
	ok, err := p.accept(what)
	if err == nil && !ok {
		return p.unexpected()
	}
	return err
}

// unexpected is the error at the next token.
func (p *sqlParser) unexpected() error { return p.unexpectedToken(p.next) }

func (p *sqlParser) unexpectedToken(t sqlToken) error {
	e := errorf(codeSyntaxError, `syntax error at or near "%s"`, t.source)
	if t.kind == sqlEnd {
		e = errorf(codeSyntaxError, "syntax error at end of input")
	}
	return p.at(t.pos, e)
}

// at says where in the text an error is.
func (p *sqlParser) at(pos int, e *protocol.Error) *protocol.Error {
	e.Position = utf8.RuneCountInString(p.text[:pos]) + 1
	return e
}

// ends says whether the statement ends here.
func (p *sqlParser) ends() bool { return p.next.kind == sqlEnd || p.next.is(";") }

// identifier reads a name.
func (p *sqlParser) identifier() (string, error) {
	if p.next.kind != sqlWord && p.next.kind != sqlQuoted {
		return "", p.unexpected()
	}
	name := p.next.text
	return name, p.advance()
}

// selectStatement reads what comes after SELECT.
func (p *sqlParser) selectStatement() (*selectText, error) {
	s := &selectText{limit: -1}
	steps := []func(*selectText) error{p.outputs, p.from, p.where, p.orderBy, p.limit}
	for _, step := range steps {
		if err := step(s); err != nil {
			return nil, err
		}
	}
	if !p.ends() {
		return nil, p.notUnderstood()
	}
	return s, nil
}

// beyond are words of SQL that are none of ours: it is no error of the client to use them.
var beyond = map[string]bool{
	"join": true, "left": true, "right": true, "inner": true, "cross": true, "group": true, "having": true, "union": true,
	"or": true, "offset": true, "between": true, "in": true, "like": true, "case": true, "for": true, "window": true,
	"operator": true, "collate": true, "array": true, "exists": true, "cast": true, "not": true, "distinct": true,
	"nulls": true, "is": true, "limit": true, "over": true, "ilike": true, "natural": true, "full": true, "lateral": true, "at": true,
}

func (p *sqlParser) notUnderstood() error {
	switch {
	case p.next.kind == sqlWord && beyond[p.next.text], p.next.is(","), p.next.is("-"), p.next.is("+"), p.next.is("."),
		p.next.kind == sqlJunk, p.next.kind == sqlOperator, p.next.is("("), p.next.is("="), p.next.is("<"), p.next.is(">"):
		e := errorf(codeFeatureNotSupported, `SQL is not supported at or near "%s"`, p.next.source)
		e.Hint = "This server is no database. It answers SELECT from one relation or of functions, SHOW and SET."
		return p.at(p.next.pos, e)
	}
	return p.unexpected()
}

func (p *sqlParser) outputs(s *selectText) error {
	for {
		o, err := p.output()
		if err != nil {
			return err
		}
		s.outputs = append(s.outputs, o)
		if more, err := p.accept(","); err != nil || !more {
			return err
		}
	}
}

func (p *sqlParser) output() (o output, err error) {
	if p.next.is("*") {
		o.expr = &expr{kind: exprStar, pos: p.next.pos}
		return o, p.advance()
	}
	if o.expr, err = p.expr(); err != nil {
		return o, err
	}
	o.alias, err = p.alias("from", "where", "order", "limit")
	return o, err
}

// alias reads [AS] NAME, where the name without AS is none of the key words that may come instead.
func (p *sqlParser) alias(instead ...string) (string, error) {
	if as, err := p.accept("as"); err != nil || as {
		if err != nil {
			return "", err
		}
		return p.identifier()
	}
	if p.next.kind == sqlQuoted {
		return p.identifier()
	}
	if p.next.kind != sqlWord || beyond[p.next.text] {
		return "", nil
	}
	for _, word := range instead {
		if p.next.text == word {
			return "", nil
		}
	}
	return p.identifier()
}

func (p *sqlParser) from(s *selectText) error {
	if ok, err := p.accept("from"); err != nil || !ok {
		return err
	}
	s.fromPos = p.next.pos
	name, err := p.qualified()
	if err != nil {
		return err
	}
	s.from, s.alias = name, name
	if call, err := p.accept("("); err != nil || call {
		if err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	alias, err := p.alias("where", "order", "limit")
	if alias != "" {
		s.alias = alias
	}
	return err
}

// qualified reads a name, and forgets pg_catalog before it.
func (p *sqlParser) qualified() (string, error) {
	name, err := p.identifier()
	if err != nil || name != "pg_catalog" {
		return name, err
	}
	if dot, err := p.accept("."); err != nil || !dot {
		return name, err
	}
	return p.identifier()
}

func (p *sqlParser) where(s *selectText) error {
	more, err := p.accept("where")
	for err == nil && more {
		var c condition
		if c, err = p.condition(); err != nil {
			return err
		}
		s.where = append(s.where, c)
		more, err = p.accept("and")
	}
	return err
}

func (p *sqlParser) condition() (c condition, err error) {
	not, err := p.accept("not")
	if err != nil {
		return c, err
	}
	if c.left, err = p.expr(); err != nil {
		return c, err
	}
	if not {
		c.op = "not"
		return c, nil
	}
	if is, err := p.accept("is"); err != nil || is {
		if err != nil {
			return c, err
		}
		c.op, err = p.isNull()
		return c, err
	}
	switch op := p.next.text; op {
	case "!=":
		c.op = "<>"
	case "=", "<>", "<", "<=", ">", ">=":
		c.op = op
	default:
		return c, nil
	}
	if err := p.advance(); err != nil {
		return c, err
	}
	c.right, err = p.expr()
	return c, err
}

// isNull reads [NOT] NULL.
func (p *sqlParser) isNull() (string, error) {
	not, err := p.accept("not")
	if err != nil {
		return "", err
	}
	if not {
		return "is not null", p.expect("null")
	}
	return "is null", p.expect("null")
}

func (p *sqlParser) orderBy(s *selectText) error {
	if ok, err := p.accept("order"); err != nil || !ok {
		return err
	}
	if err := p.expect("by"); err != nil {
		return err
	}
	for {
		o := ordering{name: p.next.text, pos: p.next.pos}
		switch p.next.kind {
		case sqlWord, sqlQuoted, sqlNumber:
		default:
			return p.unexpected()
		}
		if err := p.advance(); err != nil {
			return err
		}
		var err error
		if o.descending, err = p.accept("desc"); err != nil {
			return err
		}
		if !o.descending {
			if _, err := p.accept("asc"); err != nil {
				return err
			}
		}
		s.order = append(s.order, o)
		if more, err := p.accept(","); err != nil || !more {
			return err
		}
	}
}

func (p *sqlParser) limit(s *selectText) error {
	if ok, err := p.accept("limit"); err != nil || !ok {
		return err
	}
	if p.next.is("all") {
		return p.advance()
	}
	n, err := strconv.ParseInt(p.next.text, 10, 32)
	if p.next.kind != sqlNumber || err != nil {
		return p.unexpected()
	}
	s.limit = int(n)
	return p.advance()
}

// parameter is the number of a $n.
func (p *sqlParser) parameter() (int, error) {
	n, err := strconv.Atoi(p.next.text)
	if err != nil || n < 1 || n > maxParameters {
		return 0, p.noParameter(p.next.pos, n)
	}
	return n, nil
}

func (p *sqlParser) noParameter(pos, n int) error {
	return p.at(pos, errorf(codeUndefinedParameter, "there is no parameter $%d", n))
}

const maxParameters = 100

// tooDeep is what PostgreSQL says when its stack does not suffice.
func (p *sqlParser) tooDeep() error {
	return p.at(p.next.pos, errorf(codeStatementTooComplex, "%s", fmt.Sprintf("more than %d nested expressions", maxDepth)))
}
