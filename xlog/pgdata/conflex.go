// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"fmt"
)

// The tokens of guc-file.l.
type tokenKind uint8

const (
	tokenEOF tokenKind = iota
	tokenEOL
	tokenID
	tokenQualifiedID
	tokenString
	tokenUnquoted
	tokenNumber // INTEGER and REAL, which nothing here tells apart
	tokenEquals
	tokenError
)

type confToken struct {
	kind tokenKind
	text []byte
}

type confLexer struct {
	text []byte
	pos  int
	line int
}

// setting reads the next NAME [=] VALUE with the end of its line; it is false at the end of the file.
func (x *confLexer) setting() (Setting, bool, error) {
	t := x.next()
	for t.kind == tokenEOL {
		x.line++
		t = x.next()
	}
	if t.kind == tokenEOF {
		return Setting{}, false, nil
	}
	s := Setting{Name: string(t.text), Line: x.line}
	if t.kind != tokenID && t.kind != tokenQualifiedID {
		return s, false, x.syntaxError(t)
	}
	if t = x.next(); t.kind == tokenEquals {
		t = x.next()
	}
	switch t.kind {
	case tokenString:
		s.Value = unescape(t.text)
	case tokenID, tokenUnquoted, tokenNumber:
		s.Value = string(t.text)
	default:
		return s, false, x.syntaxError(t)
	}
	if t = x.next(); t.kind != tokenEOL && t.kind != tokenEOF {
		return s, false, x.syntaxError(t)
	}
	x.line++
	return s, true, nil
}

func (x *confLexer) syntaxError(t confToken) error {
	if t.kind == tokenEOL || t.kind == tokenEOF {
		return fmt.Errorf("%w in line %d, near end of line", ErrConfSyntax, x.line)
	}
	return fmt.Errorf("%w in line %d, near token %q", ErrConfSyntax, x.line, t.text)
}

// next is the longest token at the present place, as lex defines it.
func (x *confLexer) next() confToken {
	x.skipBlank()
	rest := x.text[x.pos:]
	if len(rest) == 0 {
		return confToken{kind: tokenEOF}
	}
	kind, n := tokenError, 1
	switch c := rest[0]; {
	case c == '\n':
		kind = tokenEOL
	case c == '=':
		kind = tokenEquals
	case c == '\'':
		if end := quotedLen(rest); end > 0 {
			kind, n = tokenString, end
		}
	case isLetter(c):
		n = prefixLen(rest, func(c byte) bool { return isLetterOrDigit(c) || bytes.IndexByte([]byte("-._:/"), c) >= 0 })
		kind = wordKind(rest[:n])
	default:
		if end := numberLen(rest); end > 0 {
			kind, n = tokenNumber, end
		}
	}
	x.pos += n
	return confToken{kind, rest[:n]}
}

func (x *confLexer) skipBlank() {
	x.pos += prefixLen(x.text[x.pos:], func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' })
	if rest := x.text[x.pos:]; len(rest) > 0 && rest[0] == '#' {
		x.pos += prefixLen(rest, func(c byte) bool { return c != '\n' })
	}
}

func prefixLen(p []byte, in func(byte) bool) int {
	n := 0
	for n < len(p) && in(p[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool         { return '0' <= c && c <= '9' }
func isASCIILetter(c byte) bool   { return 'a' <= lower(c) && lower(c) <= 'z' }
func isLetter(c byte) bool        { return isASCIILetter(c) || c == '_' || c >= 0x80 }
func isLetterOrDigit(c byte) bool { return isLetter(c) || isDigit(c) }

// wordKind says what an unquoted word is: an identifier, two of them with a dot between, or neither.
func wordKind(p []byte) tokenKind {
	first, second, dot := bytes.Cut(p, []byte("."))
	switch {
	case prefixLen(first, isLetterOrDigit) != len(first):
		return tokenUnquoted
	case !dot:
		return tokenID
	case len(second) > 0 && isLetter(second[0]) && prefixLen(second, isLetterOrDigit) == len(second):
		return tokenQualifiedID
	}
	return tokenUnquoted
}

// quotedLen is the length of the quoted string that p begins with, 0 when it is not closed in its line.
func quotedLen(p []byte) int {
	end := 0
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\n', 0:
			return end
		case '\\':
			if i++; i == len(p) || p[i] == '\n' || p[i] == 0 {
				return end
			}
		case '\'':
			end = i + 1
			if end == len(p) || p[end] != '\'' {
				return end
			}
			i++
		}
	}
	return end
}

// numberLen is the length of the integer (with letters for its unit) or real number that p begins with.
func numberLen(p []byte) int {
	sign := 0
	if p[0] == '-' || p[0] == '+' {
		sign = 1
	}
	return max(integerLen(p, sign), realLen(p, sign))
}

func integerLen(p []byte, from int) int {
	digits := prefixLen(p[from:], isDigit)
	if digits == 0 {
		return 0
	}
	n := from + digits
	n += prefixLen(p[n:], isASCIILetter)
	if !bytes.HasPrefix(p[from:], []byte("0x")) {
		return n
	}
	hex := from + 2
	hexDigits := prefixLen(p[hex:], func(c byte) bool { return isDigit(c) || ('a' <= lower(c) && lower(c) <= 'f') })
	if hexDigits == 0 {
		return n
	}
	hex += hexDigits
	return max(n, hex+prefixLen(p[hex:], isASCIILetter))
}

func realLen(p []byte, from int) int {
	n := from + prefixLen(p[from:], isDigit)
	if n == len(p) || p[n] != '.' {
		return 0
	}
	n++
	n += prefixLen(p[n:], isDigit)
	exp := n
	if exp == len(p) || lower(p[exp]) != 'e' {
		return n
	}
	if exp++; exp < len(p) && (p[exp] == '-' || p[exp] == '+') {
		exp++
	}
	if digits := prefixLen(p[exp:], isDigit); digits > 0 {
		return exp + digits
	}
	return n
}

// unescape takes the quotes and escapes off a quoted string (DeescapeQuotedString). As in C the value ends at a zero
// byte, which \0 makes.
func unescape(quoted []byte) string {
	p := quoted[1 : len(quoted)-1]
	v := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '\\':
			c, n := unescapeOne(p[i+1:])
			v = append(v, c)
			i += n
		case p[i] == '\'':
			v = append(v, '\'')
			i++ // the second of two quotes
		default:
			v = append(v, p[i])
		}
	}
	if zero := bytes.IndexByte(v, 0); zero >= 0 {
		v = v[:zero]
	}
	return string(v)
}

// unescapeOne is the byte that the text after a backslash means, and that text's length. There is such a text.
func unescapeOne(p []byte) (c byte, n int) {
	if i := bytes.IndexByte([]byte("bfnrt"), p[0]); i >= 0 {
		return "\b\f\n\r\t"[i], 1
	}
	for n < len(p) && n < 3 && '0' <= p[n] && p[n] <= '7' {
		c = c<<3 + p[n] - '0'
		n++
	}
	if n == 0 {
		return p[0], 1
	}
	return c, n
}
