// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The tokens of a manifest. Punctuation stands for itself.
const (
	tokenEnd    byte = 0
	tokenString byte = '"'
	tokenNumber byte = '0'
)

// maxManifestLine bounds a line: a server writes a file to each, with a path of up to 1024 bytes, in hexadecimal at
// worst, and a checksum of up to 128 digits.
const maxManifestLine = 16 << 10

// manifestScanner splits a manifest into tokens, one line in memory at a time. No token crosses a line, for JSON
// strings hold no raw line feed. Every line but the last goes into the manifest's own checksum.
type manifestScanner struct {
	r      *bufio.Reader
	line   []byte // the current line, a copy
	pos    int    // what has been read of it
	number int    // of the line, from 1
	sum    hash.Hash
	back   byte  // a punctuation token put back, or 0
	ioErr  error // the input failed
}

func newManifestScanner(r io.Reader) *manifestScanner {
	return &manifestScanner{r: bufio.NewReaderSize(r, maxManifestLine), sum: sha256.New()}
}

// expect reads a token of the given kind.
func (s *manifestScanner) expect(kind byte) (string, error) {
	got, text, err := s.next()
	if err == nil && got != kind {
		err = errUnexpected(got, text)
	}
	return text, err
}

func errUnexpected(kind byte, text string) error {
	switch kind {
	case tokenEnd:
		return errors.New("unexpected end")
	case tokenString, tokenNumber:
		return fmt.Errorf("unexpected %q", text)
	}
	return fmt.Errorf("unexpected %q", kind)
}

// unread puts a punctuation token back.
func (s *manifestScanner) unread(kind byte) { s.back = kind }

// next returns the next token, and for strings and numbers its text.
func (s *manifestScanner) next() (kind byte, text string, err error) {
	if kind = s.back; kind != 0 {
		s.back = 0
		return kind, "", nil
	}
	for {
		s.skipSpace()
		if s.pos < len(s.line) {
			return s.token()
		}
		if err := s.nextLine(); errors.Is(err, io.EOF) {
			return tokenEnd, "", nil
		} else if err != nil {
			return 0, "", err
		}
	}
}

func (s *manifestScanner) skipSpace() {
	for s.pos < len(s.line) && bytes.IndexByte([]byte(" \t\r\n"), s.line[s.pos]) >= 0 {
		s.pos++
	}
}

// nextLine moves on. At the end of the input the last line stays current and out of the checksum.
func (s *manifestScanner) nextLine() error {
	if _, err := s.r.Peek(1); err != nil {
		return s.inputError(err)
	}
	s.sum.Write(s.line)
	s.number++
	s.pos = 0
	line, err := s.r.ReadSlice('\n')
	s.line = append(s.line[:0], line...)
	if errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("longer than %d bytes", maxManifestLine)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return s.inputError(err)
	}
	return nil
}

func (s *manifestScanner) inputError(err error) error {
	if !errors.Is(err, io.EOF) {
		s.ioErr = err
	}
	return err
}

func (s *manifestScanner) token() (kind byte, text string, err error) {
	c := s.line[s.pos]
	switch {
	case bytes.IndexByte([]byte("{}[]:,"), c) >= 0:
		s.pos++
		return c, "", nil
	case c == '"':
		text, err = s.string()
		return tokenString, text, err
	case '0' <= c && c <= '9':
		return tokenNumber, s.digits(), nil
	}
	return 0, "", fmt.Errorf("unexpected %q", c)
}

// digits reads a number without sign, point or exponent: there are no others in a manifest.
func (s *manifestScanner) digits() string {
	start := s.pos
	for s.pos < len(s.line) && '0' <= s.line[s.pos] && s.line[s.pos] <= '9' {
		s.pos++
	}
	return string(s.line[start:s.pos])
}

// string reads a string with its quotes.
func (s *manifestScanner) string() (string, error) {
	var out []byte
	for s.pos++; s.pos < len(s.line); {
		switch c := s.line[s.pos]; {
		case c == '"':
			s.pos++
			if !utf8.Valid(out) {
				return "", errors.New("a string is not valid UTF-8")
			}
			return string(out), nil
		case c < ' ':
			return "", fmt.Errorf("raw control character %q in a string", c)
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
			s.pos++
		}
	}
	return "", errors.New("a string is not ended")
}

// simpleEscapes maps the letter behind a backslash to what it means.
var simpleEscapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads a backslash and what belongs to it.
func (s *manifestScanner) escape() (rune, error) {
	rest := s.line[s.pos:]
	if len(rest) > 1 {
		if r, ok := simpleEscapes[rest[1]]; ok {
			s.pos += 2
			return r, nil
		}
	}
	r, err := unicodeEscape(rest)
	if err != nil {
		return 0, err
	}
	s.pos += 6
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, err := unicodeEscape(rest[6:])
	if err != nil {
		return 0, err
	}
	s.pos += 6
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, errors.New("invalid surrogate pair in a string")
	}
	return r, nil
}

func unicodeEscape(b []byte) (rune, error) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, errors.New("invalid escape in a string")
	}
	v, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return 0, errors.New("invalid escape in a string")
	}
	return rune(v), nil
}
