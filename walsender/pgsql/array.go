// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"strconv"
	"strings"
)

// splitArray takes the text of an array of one dimension apart; nil is NULL. The text of vectors, which has no braces, is
// taken too.
func splitArray(text string) ([]*string, error) {
	if strings.Count(text, ",")+strings.Count(text, " ") > maxElements {
		return nil, errTooLong
	}
	bad := errorf(codeInvalidText, "malformed array literal: %q", text)
	inner, ok := strings.CutPrefix(text, "{")
	if !ok {
		return splitVector(text)
	}
	if inner, ok = strings.CutSuffix(inner, "}"); !ok {
		return nil, bad
	}
	var all []*string
	for rest := strings.TrimSpace(inner); rest != ""; {
		element, quoted, n, ok := arrayElement(rest)
		if !ok {
			return nil, bad
		}
		if !quoted && strings.EqualFold(element, "null") {
			all = append(all, nil)
		} else {
			all = append(all, &element)
		}
		if rest = rest[n:]; rest != "" {
			if rest[0] != ',' || len(rest) == 1 {
				return nil, bad
			}
			rest = rest[1:]
		}
	}
	return all, nil
}

// maxElements is how many elements an array may have here.
const maxElements = 1 << 20

func splitVector(text string) ([]*string, error) {
	var all []*string
	for _, field := range strings.Fields(text) {
		if _, err := strconv.ParseInt(field, 10, 64); err != nil {
			return nil, errorf(codeInvalidText, "malformed array literal: %q", text)
		}
		all = append(all, &field)
	}
	return all, nil
}

// arrayElement reads one element; n is how many bytes it has.
func arrayElement(text string) (element string, quoted bool, n int, ok bool) {
	var b strings.Builder
	inQuotes := false
	for n < len(text) {
		c := text[n]
		switch {
		case c == '\\' && n+1 < len(text):
			n++
			b.WriteByte(text[n])
			quoted = true
		case c == '"':
			inQuotes, quoted = !inQuotes, true
		case c == ',' && !inQuotes:
			return b.String(), quoted, n, quoted || b.Len() > 0
		case (c == '{' || c == '}') && !inQuotes:
			return "", false, n, false // of several dimensions
		default:
			b.WriteByte(c)
		}
		n++
	}
	return b.String(), quoted, n, !inQuotes && (quoted || b.Len() > 0)
}

// joinArray makes the text of an array.
func joinArray(all []*string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		if e == nil {
			b.WriteString("NULL")
			continue
		}
		if *e == "" || strings.EqualFold(*e, "null") || strings.ContainsAny(*e, "{},\"\\ \t\n\r\v\f") {
			b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(*e) + `"`)
			continue
		}
		b.WriteString(*e)
	}
	b.WriteByte('}')
	return b.String()
}

// arrayValues takes an array apart into values of its elements' type.
func arrayValues(text string, element uint32) ([]Value, error) {
	all, err := splitArray(text)
	if err != nil {
		return nil, err
	}
	values := make([]Value, len(all))
	for i, e := range all {
		if e == nil {
			continue
		}
		if values[i], err = ParseText(*e, element); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// arrayOf makes an array of values.
func arrayOf(values []Value, element uint32) Value {
	all := make([]*string, len(values))
	for i, v := range values {
		if v != nil {
			text := string(AppendText(nil, v, element))
			all[i] = &text
		}
	}
	return joinArray(all)
}
