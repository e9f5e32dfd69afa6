// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/walmirror/walmirror/xlog"
)

// maxIdentifier is the longest identifier in bytes (NAMEDATALEN - 1); what is longer is cut off.
const maxIdentifier = 63

type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenKeyword           // text as written
	tokenIdent             // text in lower case unless it was quoted; raw as written
	tokenString            // text without quotes
	tokenNumber            // number
	tokenLSN               // lsn
	tokenChar              // text is the character
)

type token struct {
	kind   tokenKind
	text   string
	raw    string // of an identifier without quotes; empty for a quoted one
	number uint32
	lsn    xlog.LSN
}

// scanner cuts a command into tokens as repl_scanner.l does in the last minor release of each version: keywords are in
// capitals, there are no comments, and in a string or a quoted identifier a doubled quote is the only escape. (Minor
// releases before 15.20 and its siblings do not know it in identifiers.)
type scanner struct {
	server Server
	rest   string
	tok    token // the current one
}

// keywords are reserved in some versions and plain identifiers in others.
var keywords = map[string]func(Server) bool{
	"BASE_BACKUP":             always,
	"IDENTIFY_SYSTEM":         always,
	"SHOW":                    always,
	"START_REPLICATION":       always,
	"CREATE_REPLICATION_SLOT": always,
	"DROP_REPLICATION_SLOT":   always,
	"TIMELINE_HISTORY":        always,
	"WAIT":                    always,
	"TIMELINE":                always,
	"PHYSICAL":                always,
	"LOGICAL":                 always,
	"SLOT":                    always,
	"RESERVE_WAL":             always,
	"TEMPORARY":               always,
	"EXPORT_SNAPSHOT":         always,
	"NOEXPORT_SNAPSHOT":       always,
	"USE_SNAPSHOT":            always,

	"READ_REPLICATION_SLOT":  func(s Server) bool { return s.atLeast(15) },
	"TWO_PHASE":              func(s Server) bool { return s.atLeast(15) },
	"ALTER_REPLICATION_SLOT": func(s Server) bool { return s.atLeast(17) },
	"UPLOAD_MANIFEST":        func(s Server) bool { return s.atLeast(17) },

	"LABEL":              wordsOnly,
	"PROGRESS":           wordsOnly,
	"FAST":               wordsOnly,
	"NOWAIT":             wordsOnly,
	"MAX_RATE":           wordsOnly,
	"WAL":                wordsOnly,
	"TABLESPACE_MAP":     wordsOnly,
	"NOVERIFY_CHECKSUMS": wordsOnly,
	"MANIFEST":           func(s Server) bool { return wordsOnly(s) && s.Major() >= 13 },
	"MANIFEST_CHECKSUMS": func(s Server) bool { return wordsOnly(s) && s.Major() >= 13 },
	"EXCLUDE":            func(s Server) bool { return wordsOnly(s) && s.hasExclude() },
}

func always(Server) bool      { return true }
func wordsOnly(s Server) bool { return !s.optionLists() }

// advance reads the next token.
func (sc *scanner) advance() error {
	sc.rest = strings.TrimLeft(sc.rest, " \t\n\r\f\v")
	if sc.rest == "" {
		sc.tok = token{kind: tokenEnd}
		return nil
	}
	switch c := sc.rest[0]; {
	case c == 0:
		return syntaxError("NUL in a command")
	case c == '\'':
		s, err := sc.quotedText("'")
		sc.tok = token{kind: tokenString, text: s}
		return err
	case c == '"':
		s, err := sc.quotedText(`"`)
		sc.tok = token{kind: tokenIdent, text: truncateIdentifier(s)}
		return err
	}
	if n := lsnLen(sc.rest); n > 0 {
		return sc.lsn(sc.take(n))
	}
	if n := prefixLen(sc.rest, isDigit); n > 0 {
		return sc.number(sc.take(n))
	}
	if isIdentStart(sc.rest[0]) {
		sc.word(sc.take(prefixLen(sc.rest, isIdentCont)))
		return nil
	}
	sc.tok = token{kind: tokenChar, text: sc.take(1)}
	return nil
}

// openQuote tells whether what advance failed on is a quote without its end.
func (sc *scanner) openQuote() bool {
	return sc.rest != "" && (sc.rest[0] == '\'' || sc.rest[0] == '"')
}

// take removes n bytes from the text.
func (sc *scanner) take(n int) string {
	s := sc.rest[:n]
	sc.rest = sc.rest[n:]
	return s
}

func (sc *scanner) word(w string) {
	if reserved := keywords[w]; reserved != nil && reserved(sc.server) {
		sc.tok = token{kind: tokenKeyword, text: w}
		return
	}
	sc.tok = token{kind: tokenIdent, text: truncateIdentifier(lowerASCII(w)), raw: w}
}

// lsn takes an LSN. The server silently drops the upper digits of a long one; this is an error here.
func (sc *scanner) lsn(s string) error {
	lsn, err := xlog.ParseLSN(s)
	if err != nil {
		return syntaxError("invalid streaming start location")
	}
	sc.tok = token{kind: tokenLSN, lsn: lsn}
	return nil
}

// number takes a number. The server silently drops the upper bits of a large one; this is an error here.
func (sc *scanner) number(s string) error {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return syntaxError("number out of range: " + s)
	}
	sc.tok = token{kind: tokenNumber, number: uint32(n)}
	return nil
}

// quotedText takes what stands between quotes.
func (sc *scanner) quotedText(quote string) (string, error) {
	var b strings.Builder
	rest := sc.rest[1:]
	for {
		inside, after, ok := strings.Cut(rest, quote)
		if !ok || strings.IndexByte(inside, 0) >= 0 {
			return "", syntaxError("unterminated quoted string")
		}
		b.WriteString(inside)
		if !strings.HasPrefix(after, quote) {
			sc.rest = after
			return b.String(), nil
		}
		b.WriteString(quote)
		rest = after[1:]
	}
}

// truncateIdentifier cuts an identifier that is too long, between characters.
func truncateIdentifier(s string) string {
	if len(s) <= maxIdentifier {
		return s
	}
	n := maxIdentifier
	for n > maxIdentifier-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// lsnLen is the length of the LSN at the beginning of s: hexadecimal digits, a slash, and hexadecimal digits.
func lsnLen(s string) int {
	hi := prefixLen(s, isHexDigit)
	if hi == 0 || hi == len(s) || s[hi] != '/' {
		return 0
	}
	lo := prefixLen(s[hi+1:], isHexDigit)
	if lo == 0 {
		return 0
	}
	return hi + 1 + lo
}

func prefixLen(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHexDigit(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'F' || 'a' <= c && c <= 'f' }

func isIdentStart(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '_' || c >= 0x80
}

func isIdentCont(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }

// syntaxError is what a server answers to a command that it cannot read.
func syntaxError(message string) error {
	return &Error{LocalizedSeverity: "ERROR", Severity: "ERROR", Code: codeSyntaxError, Message: message}
}

// SQLSTATEs.
const (
	codeSyntaxError     = "42601"
	codeValueOutOfRange = "22003"
	codeInvalidValue    = "22023"
)
