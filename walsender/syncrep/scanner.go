// SPDX-License-Identifier: Apache-2.0

package syncrep

import "strings"

// tokenKind is a kind of token; punctuation is itself.
type tokenKind byte

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenAny
	tokenFirst
	tokenJunk
	tokenUnterminated // a quoted name without its end
)

type token struct {
	kind   tokenKind
	text   string // what it means
	source string // as it was written
}

// scanner cuts text into tokens (syncrep_scanner.l).
type scanner struct{ text string }

// peek is the token after the next one; it does not move.
func (s scanner) peek() token { return s.scan() }

func (s *scanner) scan() token {
	s.text = strings.TrimLeft(s.text, " \t\n\r\f\v")
	if s.text == "" {
		return token{}
	}
	switch c := s.text[0]; {
	case c == '"':
		return s.quoted()
	case isDigit(c):
		return s.cut(tokenNumber, isDigit)
	case isLetter(c):
		t := s.cut(tokenName, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '$' })
		switch {
		case equalFold(t.text, "any"):
			t.kind = tokenAny
		case equalFold(t.text, "first"):
			t.kind = tokenFirst
		}
		return t
	case c == '*':
		return s.take(tokenName)
	case c == ',', c == '(', c == ')':
		return s.take(tokenKind(c))
	}
	return s.take(tokenJunk)
}

// take makes a token of one byte.
func (s *scanner) take(kind tokenKind) token {
	t := token{kind: kind, text: s.text[:1], source: s.text[:1]}
	s.text = s.text[1:]
	return t
}

// cut makes a token of all that comes while the bytes fit.
func (s *scanner) cut(kind tokenKind, fits func(byte) bool) token {
	n := 1
	for n < len(s.text) && fits(s.text[n]) {
		n++
	}
	t := token{kind: kind, text: s.text[:n], source: s.text[:n]}
	s.text = s.text[n:]
	return t
}

// quoted reads a name in double quotes, in which two of them mean one. The source of such a token is its last quote, as
// flex has it.
func (s *scanner) quoted() token {
	var name strings.Builder
	rest := s.text[1:]
	for {
		before, after, ok := strings.Cut(rest, `"`)
		if !ok {
			s.text = ""
			return token{kind: tokenUnterminated}
		}
		name.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			s.text = after
			return token{kind: tokenName, text: name.String(), source: `"`}
		}
		name.WriteByte('"')
		rest = after[1:]
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return lower(c) >= 'a' && lower(c) <= 'z' || c == '_' || c >= 0x80 }
