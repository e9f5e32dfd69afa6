// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"fmt"
	"strconv"
)

// Error is an error or a notice that the server sent, with every field of ErrorResponse
// (src/include/postgres_ext.h, send_message_to_frontend in elog.c). Fields that were not sent are empty.
type Error struct {
	LocalizedSeverity string // S: in the server's language
	Severity          string // V: ERROR, FATAL, PANIC; WARNING, NOTICE, DEBUG, INFO, LOG in a notice
	Code              string // C: SQLSTATE
	Message           string // M
	Detail            string // D
	Hint              string // H
	Position          int    // P: where in the command, in characters from 1; 0 when not given
	InternalPosition  int    // p: where in InternalQuery
	InternalQuery     string // q
	Where             string // W: call stack
	Schema            string // s
	Table             string // t
	Column            string // c
	DataType          string // d
	Constraint        string // n
	File              string // F: of the server's source
	Line              int    // L
	Routine           string // R
}

// Error is the severity, the message and the SQLSTATE.
func (e *Error) Error() string {
	severity := e.Severity
	if severity == "" {
		severity = e.LocalizedSeverity
	}
	return severity + ": " + e.Message + " (SQLSTATE " + e.Code + ")"
}

// Fatal tells whether the server ends the session with this error.
func (e *Error) Fatal() bool {
	severity := e.Severity
	if severity == "" {
		severity = e.LocalizedSeverity
	}
	return severity == "FATAL" || severity == "PANIC"
}

// Decode reads the body of an ErrorResponse or a NoticeResponse. Fields of a type that is not known are skipped, as
// the protocol asks.
func (e *Error) Decode(body []byte) error {
	*e = Error{}
	for {
		if len(body) == 0 {
			return fmt.Errorf("%w: ErrorResponse without end", ErrProtocol)
		}
		field := body[0]
		if field == 0 {
			if len(body) > 1 {
				return fmt.Errorf("%w: %d bytes behind an ErrorResponse", ErrProtocol, len(body)-1)
			}
			return nil
		}
		end := bytes.IndexByte(body[1:], 0)
		if end < 0 {
			return fmt.Errorf("%w: field %q of ErrorResponse without end", ErrProtocol, field)
		}
		e.set(field, string(body[1:1+end]))
		body = body[end+2:]
	}
}

func (e *Error) set(field byte, value string) {
	if s := e.text(field); s != nil {
		*s = value
	} else if n := e.number(field); n != nil {
		*n, _ = strconv.Atoi(value)
	}
}

// errorFields is the order in which the server sends the fields.
const errorFields = "SVCMDHPpqWstcdnFLR"

// Append appends the body of an ErrorResponse to dst. Fields that are empty are left out.
func (e *Error) Append(dst []byte) []byte {
	for i := range len(errorFields) {
		field := errorFields[i]
		if s := e.text(field); s != nil {
			dst = appendField(dst, field, *s)
		} else if n := e.number(field); n != nil && *n != 0 {
			dst = appendField(dst, field, strconv.Itoa(*n))
		}
	}
	return append(dst, 0)
}

// appendField appends one field up to its first NUL, which cannot be sent.
func appendField(dst []byte, field byte, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, field)
	dst = append(dst, cString(value)...)
	return append(dst, 0)
}

func cString(s string) string {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}

func (e *Error) text(field byte) *string {
	switch field {
	case 'S':
		return &e.LocalizedSeverity
	case 'V':
		return &e.Severity
	case 'C':
		return &e.Code
	case 'M':
		return &e.Message
	case 'D':
		return &e.Detail
	case 'H':
		return &e.Hint
	case 'q':
		return &e.InternalQuery
	case 'W':
		return &e.Where
	case 's':
		return &e.Schema
	case 't':
		return &e.Table
	case 'c':
		return &e.Column
	case 'd':
		return &e.DataType
	case 'n':
		return &e.Constraint
	case 'F':
		return &e.File
	case 'R':
		return &e.Routine
	}
	return nil
}

func (e *Error) number(field byte) *int {
	switch field {
	case 'P':
		return &e.Position
	case 'p':
		return &e.InternalPosition
	case 'L':
		return &e.Line
	}
	return nil
}
