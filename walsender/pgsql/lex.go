// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/walmirror/walmirror/protocol"
)

// Kind is a kind of token; an operator of one character is itself.
type Kind byte

const (
	End      Kind = iota
	Word          // an identifier or a key word, in lower case
	Quoted        // an identifier in double quotes
	String        // a literal in single quotes or dollars
	Integer       // digits
	Decimal       // a number with a point or an exponent
	Param         // $1: the text is the number
	Operator      // of more than one character, such as ::
	Junk
)

// A Token is what the text of a statement is made of.
type Token struct {
	Kind   Kind
	Text   string // what it means
	Source string // as it was written
	Pos    int    // where, in bytes
}

// Is says whether the token is an operator or a key word.
func (t Token) Is(what string) bool {
	switch t.Kind {
	case String, Quoted, Integer, Decimal, Param, End:
		return false
	}
	return t.Text == what
}

// lexer cuts SQL into tokens (scan.l).
type lexer struct {
	text string
	pos  int
}

func (l *lexer) scan() (Token, error) {
	if err := l.skipSpace(); err != nil {
		return Token{}, err
	}
	start := l.pos
	t := Token{Pos: start}
	if start == len(l.text) {
		return t, nil
	}
	var err error
	switch c := l.text[start]; {
	case c == '\'':
		t.Kind = String
		t.Text, err = l.quoted('\'', "unterminated quoted string")
	case (c == 'e' || c == 'E') && strings.HasPrefix(l.text[start+1:], "'"):
		t.Kind = String
		l.pos++
		t.Text, err = l.escaped()
	case c == '"':
		t.Kind = Quoted
		t.Text, err = l.quoted('"', "unterminated quoted identifier")
		if err == nil && t.Text == "" {
			err = l.errorAt(start, "zero-length delimited identifier")
		}
	case isWordStart(c):
		t.Kind, t.Text = Word, strings.ToLower(l.run(isWordPart))
	case isDigit(c), c == '.' && start+1 < len(l.text) && isDigit(l.text[start+1]):
		t.Kind, t.Text = l.number()
	case c == '$':
		t.Kind, t.Text, err = l.dollar()
	default:
		t.Kind, t.Text = l.operator()
	}
	if t.Kind == Word || t.Kind == Quoted {
		t.Text = t.Text[:min(len(t.Text), 63)]
	}
	t.Source = l.text[start:l.pos]
	return t, err
}

// skipSpace skips white space and comments, which may be nested.
func (l *lexer) skipSpace() error {
	for {
		rest := strings.TrimLeft(l.text[l.pos:], " \t\n\r\f\v")
		l.pos = len(l.text) - len(rest)
		switch {
		case strings.HasPrefix(rest, "--"):
			line, _, _ := strings.Cut(rest, "\n")
			l.pos += len(line)
		case strings.HasPrefix(rest, "/*"):
			if err := l.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (l *lexer) comment() error {
	depth := 0
	for i := l.pos; i+1 < len(l.text); i++ {
		switch l.text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				l.pos = i + 1
				return nil
			}
		}
	}
	return l.errorAt(l.pos, "unterminated /* comment")
}

// quoted reads what is between quotes, of which two mean one.
func (l *lexer) quoted(quote byte, unterminated string) (string, error) {
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

var escapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads a literal of the form E'...'; of escapes by number it knows none.
func (l *lexer) escaped() (string, error) {
	start := l.pos
	var s strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		c := l.text[i]
		switch {
		case c == '\\' && i+1 < len(l.text):
			i++
			c = l.text[i]
			if isDigit(c) || c == 'x' || c == 'u' || c == 'U' {
				return "", at(l.text, i, errorf(codeUnsupported, "escapes by number are not supported"))
			}
			if special, ok := escapes[c]; ok {
				c = special
			}
		case c == '\'' && strings.HasPrefix(l.text[i+1:], "'"):
			i++
		case c == '\'':
			l.pos = i + 1
			return s.String(), nil
		}
		s.WriteByte(c)
	}
	l.pos = len(l.text)
	return "", l.errorAt(start-1, "unterminated quoted string")
}

// dollar reads a parameter, or a literal between dollars.
func (l *lexer) dollar() (Kind, string, error) {
	start := l.pos
	l.pos++
	if number := l.run(isDigit); number != "" {
		return Param, number, nil
	}
	tag := l.run(func(c byte) bool { return isWordPart(c) && c != '$' })
	if !strings.HasPrefix(l.text[l.pos:], "$") {
		l.pos = start + 1
		return Junk, "$", nil
	}
	l.pos++
	body, _, ok := strings.Cut(l.text[l.pos:], "$"+tag+"$")
	if !ok {
		l.pos = len(l.text)
		return Junk, "", l.errorAt(start, "unterminated dollar-quoted string")
	}
	l.pos += len(body) + len(tag) + 2
	return String, body, nil
}

// number reads digits, and with them a point and an exponent.
func (l *lexer) number() (Kind, string) {
	start, kind := l.pos, Integer
	l.run(isDigit)
	if strings.HasPrefix(l.text[l.pos:], ".") && !strings.HasPrefix(l.text[l.pos:], "..") {
		kind = Decimal
		l.pos++
		l.run(isDigit)
	}
	text := l.text[start:l.pos]
	rest := strings.ToLower(l.text[l.pos:min(len(l.text), l.pos+3)])
	sign := strings.TrimLeft(strings.TrimPrefix(rest, "e"), "+-")
	if strings.HasPrefix(rest, "e") && sign != "" && isDigit(sign[0]) {
		l.pos += len(rest) - len(sign)
		l.run(isDigit)
		return Decimal, expand(l.text[start:l.pos])
	}
	return kind, text
}

// expand writes a number without its exponent, when it is a small one.
func expand(text string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(exponent)
	d, ok := parseDecimal(mantissa)
	if err != nil || !ok || n < -100 || n > 100 {
		return "" // no number
	}
	if d.scale -= n; d.scale < 0 {
		d = d.round(0)
	}
	return d.String()
}

// run is all that comes while the bytes fit.
func (l *lexer) run(fits func(byte) bool) string {
	start := l.pos
	for l.pos < len(l.text) && fits(l.text[l.pos]) {
		l.pos++
	}
	return l.text[start:l.pos]
}

const operatorChars = "~!@#^&|`?+-*/%<>="

// operator reads what PostgreSQL's lexer takes for one operator.
func (l *lexer) operator() (Kind, string) {
	start := l.pos
	for _, two := range []string{"::", ":=", ".."} {
		if strings.HasPrefix(l.text[start:], two) {
			l.pos += 2
			return Operator, two
		}
	}
	if op := l.run(func(c byte) bool { return strings.IndexByte(operatorChars, c) >= 0 }); op != "" {
		op = trimOperator(op)
		l.pos = start + len(op)
		switch {
		case op == "!=":
			op = "<>"
		case len(op) == 1:
			return Kind(op[0]), op
		}
		return Operator, op
	}
	l.pos++
	if c := l.text[start]; strings.IndexByte(",().;[]:", c) >= 0 {
		return Kind(c), l.text[start:l.pos]
	}
	return Junk, l.text[start:l.pos]
}

// trimOperator ends an operator where a comment begins; one with no special character does not end in + or -.
func trimOperator(op string) string {
	for _, comment := range []string{"--", "/*"} {
		if i := strings.Index(op, comment); i > 0 {
			op = op[:i]
		}
	}
	for len(op) > 1 && strings.IndexByte("+-", op[len(op)-1]) >= 0 && !strings.ContainsAny(op, "~!@#^&|`?%") {
		op = op[:len(op)-1]
	}
	return op
}

// errorAt is a syntax error at a byte of the text.
func (l *lexer) errorAt(pos int, what string) *protocol.Error {
	return at(l.text, pos, errorf(codeSyntax, `%s at or near "%s"`, what, l.text[pos:]))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf
}
func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }
