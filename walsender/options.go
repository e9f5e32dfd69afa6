// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"strings"
)

// takeOptions reads command line options such as "-c name=value" and "--name=value" (process_postgres_switches).
// Blanks separate them; a backslash makes the next character part of a word (pg_split_opts).
func (c *session) takeOptions(options string) error {
	words := splitOptions(options)
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case word == "-c" && i+1 < len(words):
			i++
			word = words[i]
		case strings.HasPrefix(word, "-c"), strings.HasPrefix(word, "--"):
			word = word[2:]
		default:
			e := fatalf(codeSyntaxError, "invalid command-line argument for server process: %s", word)
			e.Hint = `Try "postgres --help" for more information.`
			return e
		}
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return fatalf(codeSyntaxError, "-c %s requires a value", word)
		}
		if err := c.setAtStart(strings.ReplaceAll(name, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

func splitOptions(options string) (words []string) {
	var word strings.Builder
	inWord := false
	for i := 0; i < len(options); i++ {
		switch ch := options[i]; {
		case ch == '\\' && i+1 < len(options):
			i++
			word.WriteByte(options[i])
			inWord = true
		case strings.ContainsRune(" \t\n\v\f\r", rune(ch)):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(ch)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// cleanASCII replaces what is not printable ASCII by question marks (pg_clean_ascii before 16; \xNN from then on).
func cleanASCII(s string, escape bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch ch := s[i]; {
		case ch >= ' ' && ch <= '~':
			b.WriteByte(ch)
		case escape:
			fmt.Fprintf(&b, `\x%02x`, ch)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// parseBool reads a boolean as parse_bool of src/backend/utils/adt/bool.c does: a beginning of true, false, yes or no,
// on, off, 1 or 0.
func parseBool(value string) (on, ok bool) {
	v := strings.ToLower(value)
	begins := func(word string, least int) bool { return len(v) >= least && strings.HasPrefix(word, v) }
	switch {
	case begins("true", 1), begins("yes", 1), v == "on", v == "1":
		return true, true
	case begins("false", 1), begins("no", 1), begins("off", 2), v == "0":
		return false, true
	}
	return false, false
}
