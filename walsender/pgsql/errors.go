// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"unicode/utf8"

	"github.com/walmirror/walmirror/protocol"
)

// SQLSTATEs (src/backend/utils/errcodes.txt).
const (
	codeUnsupported         = "0A000"
	codeCardinality         = "21000"
	codeOutOfRange          = "22003"
	codeDatetimeRange       = "22008"
	codeDivisionByZero      = "22012"
	codeInvalidParameter    = "22023"
	codeInvalidText         = "22P02"
	codeInvalidBinary       = "22P03"
	codeInvalidRegexp       = "2201B"
	codeInvalidLimit        = "2201W"
	codeInvalidOffset       = "2201X"
	codeInvalidSchema       = "3F000"
	codeSyntax              = "42601"
	codeAmbiguousColumn     = "42702"
	codeUndefinedColumn     = "42703"
	codeUndefinedObject     = "42704"
	codeDuplicateAlias      = "42712"
	codeGrouping            = "42803"
	codeTypeMismatch        = "42804"
	codeCannotCoerce        = "42846"
	codeUndefinedFunction   = "42883"
	codeUndefinedTable      = "42P01"
	codeUndefinedParameter  = "42P02"
	codeInvalidColumn       = "42P10"
	codeOutOfMemory         = "53200"
	codeStatementTooComplex = "54001"
	codeTooMuch             = "54000"
	codeInternal            = "XX000"
)

func errorf(code, format string, args ...any) *protocol.Error {
	return &protocol.Error{
		LocalizedSeverity: "ERROR", Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...),
	}
}

// at says where in the text an error is; the position is counted in characters.
func at(text string, pos int, e *protocol.Error) *protocol.Error {
	e.Position = utf8.RuneCountInString(text[:min(pos, len(text))]) + 1
	return e
}
