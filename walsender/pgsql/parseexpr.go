// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"strconv"
	"strings"
)

type exprKind uint8

const (
	exprStar exprKind = iota + 1
	exprNull
	exprBool     // text is true or false
	exprInteger  // text has the digits
	exprDecimal  // text has the number
	exprString   // text is a literal of no type yet
	exprParam    // parameter number index+1
	exprColumn   // qualifier.name
	exprCall     // qualifier.name(args)
	exprOp       // args[0] name args[1], or name args[0]
	exprCast     // args[0]::typ
	exprCase     // operand (nil: none), then pairs of condition and result in args, then otherwise
	exprQuery    // (query)
	exprExists   // EXISTS (query)
	exprIn       // args[0] IN (args[1:]) or (query)
	exprAny      // args[0] name ANY (args[1]) or (query); ALL when all
	exprArray    // ARRAY[args] or ARRAY(query)
	exprElement  // args[0][args[1]]
	exprIs       // args[0] IS name: null, true, false, unknown
	exprDistinct // args[0] IS DISTINCT FROM args[1]
	exprRow      // (args)
)

// expr is an expression as it was written.
type expr struct {
	kind      exprKind
	pos       int // in the text, in bytes
	name      string
	qualifier string
	text      string
	index     int
	args      []*expr
	typ       typeText
	query     *Query
	operand   *expr // of CASE
	otherwise *expr // of CASE

	all  bool
	call *callDetails // of aggregates; nil: nothing special
}

// callDetails is what can stand in a call beside arguments.
type callDetails struct {
	star     bool // count(*)
	distinct bool
	order    []sortKey
	filter   *expr
}

// typeText is the name of a type as it was written.
type typeText struct {
	pos   int
	name  string
	size  int // in parentheses; 0: none
	array bool
}

// precedences of operators; those that are not here are between comparisons and +.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare
	precIn
	precOther
	precAdd
	precMultiply
	precPower
	precAt
	precCollate
	precUnary
	precSubscript
	precCast
)

var precedences = map[string]int{
	"or": precOr, "and": precAnd, "is": precIs, "isnull": precIs, "notnull": precIs, "<": precCompare, ">": precCompare,
	"=": precCompare, "<=": precCompare, ">=": precCompare, "<>": precCompare, "between": precIn, "in": precIn,
	"like": precIn, "ilike": precIn, "similar": precIn, "not": precIn, "operator": precOther, "+": precAdd, "-": precAdd,
	"*": precMultiply, "/": precMultiply, "%": precMultiply, "^": precPower, "at": precAt, "collate": precCollate,
	"[": precSubscript, "::": precCast,
}

// expr reads an expression.
func (p *Parser) expr() (*expr, error) { return p.exprAbove(0) }

func (p *Parser) exprList() (list []*expr, err error) {
	err = p.list(func() error {
		e, err := p.expr()
		list = append(list, e)
		return err
	})
	return list, err
}

// exprAbove reads an expression up to an operator that binds no stronger than prec.
func (p *Parser) exprAbove(prec int) (*expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.prefix()
	for n := 0; err == nil; n++ {
		next := p.precedence()
		if next <= prec {
			return left, nil
		}
		if n > maxChain {
			return nil, p.At(p.Next.Pos, errorf(codeStatementTooComplex, "more than %d operators in a row", maxChain))
		}
		left, err = p.infix(left, next)
	}
	return left, err
}

// maxChain is how long an expression such as a + b + c may be; SQLite nests it.
const maxChain = 300

// precedence is that of the next token as an operator behind an expression; 0: it is none.
func (p *Parser) precedence() int {
	switch p.Next.Kind {
	case String, Quoted, Integer, Decimal, Param, End:
		return 0
	}
	if prec, ok := precedences[p.Next.Text]; ok {
		if p.Next.Is("not") {
			after := p.peek()
			if !after.Is("in") && !after.Is("like") && !after.Is("ilike") && !after.Is("between") && !after.Is("similar") {
				return 0
			}
		}
		return prec
	}
	if p.Next.Kind == Operator && p.Next.Text != ".." && p.Next.Text != ":=" || strings.Contains("~!@#&|`?", p.Next.Text) {
		return precOther
	}
	return 0
}

// prefix reads what begins an expression.
func (p *Parser) prefix() (*expr, error) {
	e := &expr{kind: exprOp, pos: p.Next.Pos, name: p.Next.Text}
	var prec int
	switch {
	case p.Next.Is("not"):
		prec = precNot
	case p.Next.Is("-"), p.Next.Is("+"):
		prec = precUnary
	case p.Next.Is("~"), p.Next.Is("@"):
		prec = precOther
	default:
		return p.primary()
	}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	arg, err := p.exprAbove(prec)
	e.args = []*expr{arg}
	return e, err
}

// infix reads an operator and what is behind it.
func (p *Parser) infix(left *expr, prec int) (*expr, error) {
	op := p.Next
	if err := p.Advance(); err != nil {
		return nil, err
	}
	switch {
	case op.Is("::"):
		typ, err := p.typeName()
		return &expr{kind: exprCast, pos: op.Pos, args: []*expr{left}, typ: typ}, err
	case op.Is("["):
		index, err := p.expr()
		if err != nil {
			return nil, err
		}
		if p.Next.Is(":") {
			return nil, p.unsupported("a slice of an array")
		}
		return &expr{kind: exprElement, pos: op.Pos, args: []*expr{left, index}}, p.Expect("]")
	case op.Is("is"), op.Is("isnull"), op.Is("notnull"):
		return p.is(left, op)
	case op.Is("not"):
		e, err := p.rangeTest(left)
		return &expr{kind: exprOp, pos: op.Pos, name: "not", args: []*expr{e}}, err
	case op.Is("in"), op.Is("like"), op.Is("ilike"), op.Is("between"), op.Is("similar"):
		return p.rangeTestOf(left, op)
	case op.Is("collate"):
		return left, p.collation()
	case op.Is("at"):
		if err := p.Expect("time", "zone"); err != nil {
			return nil, err
		}
		zone, err := p.exprAbove(prec)
		return &expr{kind: exprCall, pos: op.Pos, name: "timezone", args: []*expr{zone, left}}, err
	case op.Is("operator"):
		var err error
		if op, err = p.operatorName(); err != nil {
			return nil, err
		}
	}
	return p.rightSide(left, op, prec)
}

// rightSide reads what is behind a binary operator.
func (p *Parser) rightSide(left *expr, op Token, prec int) (*expr, error) {
	if p.Next.Is("any") || p.Next.Is("some") || p.Next.Is("all") {
		e := &expr{kind: exprAny, pos: op.Pos, name: op.Text, all: p.Next.Is("all"), args: []*expr{left}}
		if err := p.Advance(); err != nil {
			return nil, err
		}
		return e, p.queryOrList(e)
	}
	right, err := p.exprAbove(prec)
	return &expr{kind: exprOp, pos: op.Pos, name: op.Text, args: []*expr{left, right}}, err
}

// queryOrList reads (query) or (expressions).
func (p *Parser) queryOrList(e *expr) error {
	if err := p.Expect("("); err != nil {
		return err
	}
	var err error
	if p.beginsQuery() {
		e.query, err = p.Query()
	} else {
		var list []*expr
		list, err = p.exprList()
		e.args = append(e.args, list...)
	}
	if err != nil {
		return err
	}
	return p.Expect(")")
}

// operatorName reads the rest of OPERATOR(pg_catalog.~).
func (p *Parser) operatorName() (Token, error) {
	if err := p.Expect("("); err != nil {
		return Token{}, err
	}
	if p.Next.Kind == Word {
		if err := p.Expect("pg_catalog", "."); err != nil {
			return Token{}, err
		}
	}
	op := p.Next
	if err := p.Advance(); err != nil {
		return op, err
	}
	return op, p.Expect(")")
}

// collation reads the name of a collation. There is only C here, which is what the default stands for too.
func (p *Parser) collation() error {
	pos := p.Next.Pos
	name, err := p.label()
	if err != nil {
		return err
	}
	if dot, err := p.Accept("."); err != nil {
		return err
	} else if dot {
		if name, err = p.label(); err != nil {
			return err
		}
	}
	switch name {
	case "C", "default", "POSIX", "ucs_basic":
		return nil
	}
	return p.At(pos, errorf(codeUnsupported, "collation %q is not supported by this server", name))
}

// is reads what is behind IS.
func (p *Parser) is(left *expr, op Token) (*expr, error) {
	e := &expr{kind: exprIs, pos: op.Pos, name: "null", args: []*expr{left}}
	not := op.Is("notnull")
	if op.Is("is") {
		var err error
		if not, err = p.Accept("not"); err != nil {
			return nil, err
		}
		switch e.name = p.Next.Text; {
		case p.Next.Is("distinct"):
			if err := p.Advance(); err != nil {
				return nil, err
			}
			if err := p.Expect("from"); err != nil {
				return nil, err
			}
			right, err := p.exprAbove(precIs)
			if err != nil {
				return nil, err
			}
			e.kind, e.args = exprDistinct, append(e.args, right)
		case p.Next.Is("null"), p.Next.Is("true"), p.Next.Is("false"), p.Next.Is("unknown"):
			if err := p.Advance(); err != nil {
				return nil, err
			}
		default:
			return nil, p.Unexpected()
		}
	}
	if not {
		e = &expr{kind: exprOp, pos: op.Pos, name: "not", args: []*expr{e}}
	}
	return e, nil
}

func (p *Parser) rangeTest(left *expr) (*expr, error) {
	op := p.Next
	if err := p.Advance(); err != nil {
		return nil, err
	}
	return p.rangeTestOf(left, op)
}

// rangeTestOf reads what is behind IN, LIKE, ILIKE and BETWEEN.
func (p *Parser) rangeTestOf(left *expr, op Token) (*expr, error) {
	switch op.Text {
	case "in":
		e := &expr{kind: exprIn, pos: op.Pos, name: "=", args: []*expr{left}}
		return e, p.queryOrList(e)
	case "similar":
		return nil, p.unsupported("SIMILAR TO")
	case "between":
		return p.between(left, op)
	}
	right, err := p.exprAbove(precIn)
	if err == nil && p.Next.Is("escape") {
		return nil, p.unsupported("ESCAPE")
	}
	name := map[string]string{"like": "~~", "ilike": "~~*"}[op.Text]
	return &expr{kind: exprOp, pos: op.Pos, name: name, args: []*expr{left, right}}, err
}

func (p *Parser) between(left *expr, op Token) (*expr, error) {
	if p.Next.Is("symmetric") {
		return nil, p.unsupported("BETWEEN SYMMETRIC")
	}
	low, err := p.exprAbove(precIn)
	if err != nil {
		return nil, err
	}
	if err := p.Expect("and"); err != nil {
		return nil, err
	}
	high, err := p.exprAbove(precIn)
	if err != nil {
		return nil, err
	}
	compare := func(name string, with *expr) *expr {
		return &expr{kind: exprOp, pos: op.Pos, name: name, args: []*expr{left, with}}
	}
	return &expr{kind: exprOp, pos: op.Pos, name: "and", args: []*expr{compare(">=", low), compare("<=", high)}}, nil
}

// parameter is the number of a $n.
func (p *Parser) parameter() (*expr, error) {
	n, err := strconv.Atoi(p.Next.Text)
	if err != nil || n < 1 || n > maxParameters || p.simple {
		return nil, p.At(p.Next.Pos, errorf(codeUndefinedParameter, "there is no parameter $%d", n))
	}
	return &expr{kind: exprParam, pos: p.Next.Pos, index: n - 1}, p.Advance()
}

const maxParameters = 100
