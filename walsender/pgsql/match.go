// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// matcher is the function of an operator that matches text with a pattern: ~~ (LIKE), ~~* (ILIKE), ~, ~* or ^@.
func matcher(op string) func(_ *execution, args []Value) (Value, error) {
	var cache patternCache
	return func(_ *execution, args []Value) (Value, error) {
		text, pattern := args[0].(string), args[1].(string)
		switch op {
		case "~~":
			ok, err := like(text, pattern)
			return BoolValue(ok), err
		case "~~*":
			ok, err := like(strings.ToLower(text), strings.ToLower(pattern))
			return BoolValue(ok), err
		case "^@":
			return BoolValue(strings.HasPrefix(text, pattern)), nil
		}
		re, err := cache.compile(pattern, op == "~*")
		if err != nil {
			return nil, err
		}
		return BoolValue(re.MatchString(text)), nil
	}
}

// like is LIKE: % is any text, _ any character, and a backslash takes away their meaning (like_match.c).
func like(text, pattern string) (bool, error) {
	star, mark := -1, 0 // where % was last, and how much of the text it has taken
	t, p := 0, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '%' {
			star, mark = p, t
			p++
			continue
		}
		n, escaped := patternChar(pattern, p)
		if n < 0 {
			return false, errorf("22025", "LIKE pattern must not end with escape character")
		}
		if n > 0 && pattern[p] == '_' {
			_, size := utf8.DecodeRuneInString(text[t:])
			t, p = t+size, p+1
			continue
		}
		if n > 0 && text[t] == pattern[p+escaped] {
			t, p = t+1, p+n
			continue
		}
		if star < 0 {
			return false, nil
		}
		_, size := utf8.DecodeRuneInString(text[mark:])
		mark += size
		t, p = mark, star+1
	}
	return strings.Trim(pattern[p:], "%") == "", nil
}

// patternChar is how long the character of a pattern is, and whether a backslash stands before it; -1: it ends in one.
func patternChar(pattern string, p int) (n, escaped int) {
	switch {
	case p >= len(pattern):
		return 0, 0
	case pattern[p] != '\\':
		return 1, 0
	case p+1 == len(pattern):
		return -1, 0
	}
	return 2, 1
}

// patternCache keeps the last regular expression.
type patternCache struct {
	mu      sync.Mutex
	pattern string
	re      *regexp.Regexp
}

// compile reads a regular expression. Those of PostgreSQL are alike but for back references, which there are none of here.
func (c *patternCache) compile(pattern string, fold bool) (*regexp.Regexp, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.re != nil && c.pattern == pattern {
		return c.re, nil
	}
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + pattern)
	if err != nil {
		return nil, errorf(codeInvalidRegexp, "invalid regular expression: %s", err)
	}
	c.pattern, c.re = pattern, re
	return re, nil
}
