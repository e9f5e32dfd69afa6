// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"strings"
	"unicode/utf8"

	"github.com/walmirror/walmirror/protocol"
)

// sqlKind is a kind of token; an operator of one character is itself.
type sqlKind byte

const (
	sqlEnd      sqlKind = iota
	sqlWord             // an identifier or a key word, in lower case
	sqlQuoted           // an identifier in double quotes
	sqlString           // a literal in single quotes
	sqlNumber           // digits
	sqlParam            // $1
	sqlOperator         // of more than one character, such as ::
	sqlJunk
)

type sqlToken struct {
	kind   sqlKind
	text   string // what it means
	source string // as it was written
	pos    int    // where, in bytes
}

// is says whether the token is an operator or a key word.
func (t sqlToken) is(what string) bool {
	switch t.kind {
	case sqlString, sqlQuoted, sqlNumber, sqlParam, sqlEnd:
		return false
	}
	return t.text == what
}

// sqlLexer cuts SQL into tokens (scan.l), as far as the statements need it that are understood here.
type sqlLexer struct {
	text string
	pos  int
}

func (l *sqlLexer) scan() (sqlToken, error) {
	if err := l.skipSpace(); err != nil {
		return sqlToken{}, err
	}
	start := l.pos
	t := sqlToken{pos: start}
	if start == len(l.text) {
		return t, nil
	}
	var err error
	switch c := l.text[start]; {
	case c == '\'':
		t.kind = sqlString
		t.text, err = l.quoted('\'', "unterminated quoted string")
	case c == '"':
		t.kind = sqlQuoted
		t.text, err = l.quoted('"', "unterminated quoted identifier")
	case isWordStart(c):
		t.kind, t.text = sqlWord, strings.ToLower(l.run(isWordPart))
	case isDigit(c):
		t.kind, t.text = sqlNumber, l.run(isDigit)
	case c == '$':
		l.pos++
		t.kind, t.text = sqlParam, l.run(isDigit)
	default:
		t.kind, t.text = l.operator()
	}
	t.source = l.text[start:l.pos]
	return t, err
}

// skipSpace skips white space and comments.
func (l *sqlLexer) skipSpace() error {
	for {
		rest := strings.TrimLeft(l.text[l.pos:], " \t\n\r\f\v")
		l.pos = len(l.text) - len(rest)
		switch {
		case strings.HasPrefix(rest, "--"):
			line, _, _ := strings.Cut(rest, "\n")
			l.pos += len(line)
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.errorAt(l.pos, "unterminated /* comment")
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
}

// quoted reads what is between quotes, of which two mean one.
func (l *sqlLexer) quoted(quote byte, unterminated string) (string, error) {
	start := l.pos
	var s strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		if l.text[i] == quote {
			if i+1 == len(l.text) || l.text[i+1] != quote {
				l.pos = i + 1
				return s.String(), nil
			}
			i++
		}
		s.WriteByte(l.text[i])
	}
	l.pos = len(l.text)
	return "", l.errorAt(start, unterminated)
}

// run is all that comes while the bytes fit.
func (l *sqlLexer) run(fits func(byte) bool) string {
	start := l.pos
	for l.pos < len(l.text) && fits(l.text[l.pos]) {
		l.pos++
	}
	return l.text[start:l.pos]
}

func (l *sqlLexer) operator() (sqlKind, string) {
	rest := l.text[l.pos:]
	for _, op := range []string{"::", "<>", "!=", "<=", ">="} {
		if strings.HasPrefix(rest, op) {
			l.pos += len(op)
			return sqlOperator, op
		}
	}
	l.pos++
	if strings.IndexByte("*,().;=<>-+", rest[0]) >= 0 {
		return sqlKind(rest[0]), rest[:1]
	}
	return sqlJunk, rest[:1]
}

// errorAt is a syntax error at a byte of the text; its position is in characters.
func (l *sqlLexer) errorAt(pos int, what string) *protocol.Error {
	e := errorf(codeSyntaxError, `%s at or near "%s"`, what, l.text[pos:])
	e.Position = utf8.RuneCountInString(l.text[:pos]) + 1
	return e
}

func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
func isWordPart(c byte) bool  { return isWordStart(c) || isDigit(c) || c == '$' }
