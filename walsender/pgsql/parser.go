// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"strings"

	"github.com/walmirror/walmirror/protocol"
)

// Parser reads the statements of a text, one token ahead of what is understood. What is no query is left to the caller.
type Parser struct {
	lexer
	Next   Token // the token that comes
	depth  int
	simple bool // a simple query, which has no parameters
}

// NewParser begins to read a text; one of a simple query has no parameters.
func NewParser(text string, simple bool) (*Parser, error) {
	p := &Parser{lexer: lexer{text: text}, simple: simple}
	return p, p.Advance()
}

// Advance goes to the next token.
func (p *Parser) Advance() (err error) {
	p.Next, err = p.scan()
	return err
}

// peek is the token after the next.
func (p *Parser) peek() Token {
	ahead := p.lexer
	t, _ := ahead.scan()
	return t
}

// Accept goes on when the next token is the operator or key word.
func (p *Parser) Accept(what string) (bool, error) {
	if !p.Next.Is(what) {
		return false, nil
	}
	return true, p.Advance()
}

// Expect is Accept of what must come.
func (p *Parser) Expect(words ...string) error {
	for _, what := range words {
		ok, err := p.Accept(what)
		if err == nil && !ok {
			return p.Unexpected()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Unexpected is the error at the next token.
func (p *Parser) Unexpected() error { return p.UnexpectedToken(p.Next) }

// UnexpectedToken is the error at a token.
func (p *Parser) UnexpectedToken(t Token) error {
	e := errorf(codeSyntax, `syntax error at or near "%s"`, t.Source)
	if t.Kind == End {
		e = errorf(codeSyntax, "syntax error at end of input")
	}
	return p.At(t.Pos, e)
}

// At says in an error where in the text it is.
func (p *Parser) At(pos int, e *protocol.Error) *protocol.Error { return at(p.text, pos, e) }

// unsupported is the error at something that PostgreSQL would understand.
func (p *Parser) unsupported(what string) error {
	e := errorf(codeUnsupported, "%s is not supported by this server", what)
	e.Hint = "This server is no database. It answers queries of catalogs and statistics, SHOW and SET."
	return p.At(p.Next.Pos, e)
}

// Ends says whether the statement ends here.
func (p *Parser) Ends() bool { return p.Next.Kind == End || p.Next.Is(";") }

// Identifier reads a name.
func (p *Parser) Identifier() (string, error) {
	if p.Next.Kind != Quoted && (p.Next.Kind != Word || reserved[p.Next.Text]) {
		return "", p.Unexpected()
	}
	name := p.Next.Text
	return name, p.Advance()
}

// label reads a name that may be a key word, as behind AS.
func (p *Parser) label() (string, error) {
	if p.Next.Kind != Quoted && p.Next.Kind != Word {
		return "", p.Unexpected()
	}
	name := p.Next.Text
	return name, p.Advance()
}

// enter counts how deep expressions and queries are nested; leave is its end.
func (p *Parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.At(p.Next.Pos, errorf(codeStatementTooComplex, "more than %d nested expressions", maxDepth))
	}
	return nil
}

func (p *Parser) leave() { p.depth-- }

// maxDepth is how deep expressions may be nested, maxList how long a list of them may be.
const (
	maxDepth = 60
	maxList  = 2000
)

// list reads what is separated by commas.
func (p *Parser) list(one func() error) error {
	for n := 0; ; n++ {
		if n == maxList {
			return p.At(p.Next.Pos, errorf(codeStatementTooComplex, "a list has more than %d items", maxList))
		}
		if err := one(); err != nil {
			return err
		}
		if more, err := p.Accept(","); err != nil || !more {
			return err
		}
	}
}

// reserved are the key words that cannot be names (src/include/parser/kwlist.h).
var reserved = words(`all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
	create current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
	distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral leading
	limit localtime localtimestamp not null offset on only or order placing primary references returning select
	session_user some symmetric table then to trailing true union unique user using variadic when where window with`)

// notAlias are further words that cannot be a name of a relation or a column without AS before it.
var notAlias = words(`cross full ilike inner is isnull join left like natural notnull outer right similar tablesample
	verbose overlaps binary collation concurrently freeze authorization between`)

// notLabel are words that cannot be a name of a column without AS.
var notLabel = words(`array as char character create day except fetch filter for from grant group having hour intersect
	into isnull limit minute month notnull offset on order over overlaps precision returning second to union varying
	where window with within without year`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}
