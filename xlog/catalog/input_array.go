// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

var errArray = errors.New("not an array of one dimension")

// inArray reads an array of one dimension that begins with 1, or an empty one.
func inArray(in *Input, t *Type, text string) ([]byte, error) {
	element, err := in.Names.Type(t.Element)
	if err != nil {
		return nil, err
	}
	if element == nil {
		return nil, fmt.Errorf("%w: type %d does not exist", ErrNoInput, t.Element)
	}
	words, err := splitArray(text, element.Delimiter)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return encodeArray(&element.TypeInfo, nil, nil, nil)
	}
	values := make([]Value, len(words))
	for i, word := range words {
		if values[i].Null = word == nil; word == nil {
			continue
		}
		if values[i].Raw, err = in.Parse(t.Element, *word); err != nil {
			return nil, err
		}
	}
	return encodeArray(&element.TypeInfo, []int{len(values)}, []int{1}, values)
}

// splitArray takes the text of an array apart; nil is NULL.
func splitArray(text string, delimiter byte) (words []*string, err error) {
	rest, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil, errArray
	}
	if rest == "}" {
		return nil, nil
	}
	for {
		var word *string
		if word, rest, err = cutWord(rest, delimiter); err != nil {
			return nil, err
		}
		words = append(words, word)
		switch {
		case rest == "}":
			return words, nil
		case rest == "" || rest[0] != delimiter:
			return nil, errArray
		}
		rest = rest[1:]
	}
}

// cutWord takes an element off the text: a quoted one, or up to what ends one that is not.
func cutWord(text string, delimiter byte) (word *string, rest string, err error) {
	if text == "" || text[0] != '"' {
		end := strings.IndexAny(text, string(delimiter)+`}{"\`)
		if end <= 0 || text[end] != delimiter && text[end] != '}' {
			return nil, "", errArray
		}
		if strings.EqualFold(text[:end], "NULL") {
			return nil, text[end:], nil
		}
		plain := text[:end]
		return &plain, text[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			quoted := b.String()
			return &quoted, text[i+1:], nil
		case '\\':
			if i++; i == len(text) {
				return nil, "", errArray
			}
		}
		b.WriteByte(text[i])
	}
	return nil, "", errArray
}

// encodeArray makes an array's payload, see array.
func encodeArray(t *TypeInfo, lengths, bounds []int, values []Value) ([]byte, error) {
	raw := binary.LittleEndian.AppendUint32(nil, uint32(len(lengths)))
	raw = binary.LittleEndian.AppendUint32(raw, 0)
	raw = binary.LittleEndian.AppendUint32(raw, t.OID)
	for _, n := range append(lengths, bounds...) {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	raw = appendBitmap(raw, values)
	if len(values) > 0 {
		raw = padPayload(raw, 8)
	}
	if u32(raw[4:]) != 0 {
		binary.LittleEndian.PutUint32(raw[4:], uint32(len(raw)+varlenaHeader))
	}
	for i := range values {
		if values[i].Null {
			continue
		}
		raw = padPayload(raw, t.Alignment())
		switch {
		case t.Len == -1:
			raw = appendHeader(raw, t, len(values[i].Raw), false)
		case t.Len != -1 && int(t.Len) != len(values[i].Raw):
			return nil, fmt.Errorf("%w: %d bytes for a type of %d", ErrValue, len(values[i].Raw), t.Len)
		}
		raw = append(raw, values[i].Raw...)
	}
	// What stands behind the last one is padded as well.
	return padPayload(raw, t.Alignment()), nil
}

// appendBitmap adds the bitmap of an array that has NULLs, and marks in its head that it has one.
func appendBitmap(raw []byte, values []Value) []byte {
	bitmap, nulls := make([]byte, (len(values)+7)/8), false
	for i := range values {
		if values[i].Null {
			nulls = true
		} else {
			bitmap[i/8] |= 1 << (i % 8)
		}
	}
	if !nulls {
		return raw
	}
	raw[4] = 1
	return append(raw, bitmap...)
}

// padPayload appends zeros up to where a value may begin.
func padPayload(raw []byte, n int) []byte {
	for alignPayload(len(raw), n) != len(raw) {
		raw = append(raw, 0)
	}
	return raw
}
