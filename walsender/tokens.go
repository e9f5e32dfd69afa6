// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"strings"
)

// word is a token of a configuration file. A quoted one is never a keyword.
type word struct {
	text   string
	quoted bool
}

func (w word) is(keyword string) bool { return !w.quoted && w.text == keyword }

// tokenize cuts a line into fields, each a list of words that commas separate, as next_field_expand of hba.c does.
// What "#" begins outside of quotes is a comment.
func tokenize(line string) (fields [][]word, err error) {
	more := false // the field goes on behind a comma
	for {
		line = strings.TrimLeft(line, " \t\r\n\v\f")
		if strings.HasPrefix(line, ",") {
			line = line[1:]
			continue
		}
		if line == "" || line[0] == '#' {
			return fields, nil
		}
		w, rest, err := nextWord(line)
		if err != nil {
			return nil, err
		}
		if more {
			last := len(fields) - 1
			fields[last] = append(fields[last], w)
		} else {
			fields = append(fields, []word{w})
		}
		line = rest
		more = strings.HasPrefix(line, ",")
	}
}

// nextWord takes a word from the beginning of a line. Inside of quotes two quotes stand for one.
func nextWord(line string) (w word, rest string, err error) {
	var b strings.Builder
	inQuotes := false
	i := 0
	for ; i < len(line); i++ {
		ch := line[i]
		switch {
		case ch == '"' && inQuotes && strings.HasPrefix(line[i+1:], `"`):
			b.WriteByte('"')
			i++
		case ch == '"':
			w.quoted = w.quoted || i == 0
			inQuotes = !inQuotes
		case !inQuotes && strings.IndexByte(" \t\r\n\v\f,#", ch) >= 0:
			w.text = b.String()
			return w, line[i:], nil
		default:
			b.WriteByte(ch)
		}
	}
	if inQuotes {
		return w, "", fmt.Errorf("a quoted word has no end")
	}
	w.text = b.String()
	return w, "", nil
}

// joinContinued joins lines that end with a backslash with those after them; each line keeps the number of its first.
func joinContinued(text string) (lines []string, numbers []int) {
	open := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		joined, continues := strings.CutSuffix(line, `\`)
		if open {
			lines[len(lines)-1] += joined
		} else {
			lines, numbers = append(lines, joined), append(numbers, i+1)
		}
		open = continues
	}
	return lines, numbers
}
