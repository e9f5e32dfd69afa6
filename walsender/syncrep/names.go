// SPDX-License-Identifier: Apache-2.0

package syncrep

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Method says how Names chooses among its members.
type Method uint8

// The methods.
const (
	First Method = iota // the NumSync members that come first in the list; the others stand by
	Any                 // any NumSync members
)

// Names is a value of synchronous_standby_names. The zero Names asks for no synchronous standby.
type Names struct {
	Method  Method
	NumSync int      // how many standbys must confirm
	Members []string // application names; "*" is every name
}

// Empty says that nobody waits for anything.
func (n Names) Empty() bool { return n.NumSync == 0 }

// Priority is what a standby with this application name has: 1 is the highest, 0 is none. With Any all have 1
// (SyncRepGetStandbyPriority in syncrep.c).
func (n Names) Priority(applicationName string) int {
	for i, member := range n.Members {
		if member == "*" || equalFold(member, applicationName) {
			if n.Method == Any {
				return 1
			}
			return i + 1
		}
	}
	return 0
}

// equalFold compares as pg_strcasecmp does with names that are ASCII: other bytes must be equal.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// String prints the names so that Parse reads them back.
func (n Names) String() string {
	if n.Empty() {
		return ""
	}
	members := make([]string, len(n.Members))
	for i, member := range n.Members {
		members[i] = member
		if member != "*" {
			members[i] = `"` + strings.ReplaceAll(member, `"`, `""`) + `"`
		}
	}
	method := "FIRST"
	if n.Method == Any {
		method = "ANY"
	}
	return fmt.Sprintf("%s %d (%s)", method, n.NumSync, strings.Join(members, ", "))
}

// A SyntaxError says why a value of synchronous_standby_names is refused, in PostgreSQL's words.
type SyntaxError struct{ Detail string }

func (e *SyntaxError) Error() string {
	return `invalid value for parameter "synchronous_standby_names": ` + e.Detail
}

// Parse reads a value of synchronous_standby_names (syncrep_gram.y):
//
//	NAME, ...              the first of these
//	N (NAME, ...)          the first N of these
//	FIRST N (NAME, ...)    the same
//	ANY N (NAME, ...)      any N of these
//
// A name is an identifier, a number, a string in double quotes, or *. The empty text is the zero Names. The error is a
// *SyntaxError.
func Parse(text string) (Names, error) {
	if text == "" {
		return Names{}, nil
	}
	p := parser{scanner: scanner{text: text}}
	p.advance()
	names, err := p.names()
	if err != nil {
		return Names{}, err
	}
	if names.NumSync <= 0 {
		return Names{}, &SyntaxError{fmt.Sprintf(
			"number of synchronous standbys (%d) must be greater than zero", names.NumSync)}
	}
	return names, nil
}

// parser has the token that comes next.
type parser struct {
	scanner
	next token
}

func (p *parser) advance() { p.next = p.scan() }

// names reads everything.
func (p *parser) names() (Names, error) {
	n := Names{NumSync: 1}
	var err error
	switch p.next.kind {
	case tokenAny, tokenFirst:
		if p.next.kind == tokenAny {
			n.Method = Any
		}
		p.advance()
		if p.next.kind != tokenNumber {
			return n, p.unexpected()
		}
		err = p.counted(&n)
	case tokenNumber: // a count, or a name that is a number
		if p.peek().kind == '(' {
			err = p.counted(&n)
			break
		}
		n.Members, err = p.list()
	default:
		n.Members, err = p.list()
	}
	if err == nil && p.next.kind != tokenEnd {
		err = p.unexpected()
	}
	return n, err
}

// counted reads N (NAME, ...).
func (p *parser) counted(n *Names) (err error) {
	n.NumSync = atoi(p.next.text)
	p.advance()
	if err := p.take('('); err != nil {
		return err
	}
	if n.Members, err = p.list(); err != nil {
		return err
	}
	return p.take(')')
}

// atoi is C's for digits, but that a number that is too large is the largest.
func atoi(digits string) int {
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return math.MaxInt32
	}
	return int(n)
}

// list reads NAME, ...
func (p *parser) list() ([]string, error) {
	var members []string
	for {
		if p.next.kind != tokenName && p.next.kind != tokenNumber {
			return nil, p.unexpected()
		}
		members = append(members, p.next.text)
		p.advance()
		if p.next.kind != ',' {
			return members, nil
		}
		p.advance()
	}
}

func (p *parser) take(kind tokenKind) error {
	if p.next.kind != kind {
		return p.unexpected()
	}
	p.advance()
	return nil
}

// unexpected is the error at the next token.
func (p *parser) unexpected() error {
	switch p.next.kind {
	case tokenUnterminated:
		return &SyntaxError{"unterminated quoted identifier at end of input"}
	case tokenEnd:
		return &SyntaxError{"syntax error at end of input"}
	}
	return &SyntaxError{fmt.Sprintf(`syntax error at or near "%s"`, p.next.source)}
}
