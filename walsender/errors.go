// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/protocol"
)

// SQLSTATEs that are sent (src/backend/utils/errcodes.txt).
const (
	codeProtocolViolation        = "08P01"
	codeFeatureNotSupported      = "0A000"
	codeInvalidParameterValue    = "22023"
	codeInvalidAuthorization     = "28000"
	codeInvalidPassword          = "28P01"
	codeSyntaxError              = "42601"
	codeInsufficientPrivilege    = "42501"
	codeUndefinedObject          = "42704"
	codeDuplicateObject          = "42710"
	codeTooManyConnections       = "53300"
	codeConfigurationLimit       = "53400"
	codeNotInPrerequisiteState   = "55000"
	codeObjectInUse              = "55006"
	codeCannotChange             = "55P02"
	codeQueryCanceled            = "57014"
	codeAdminShutdown            = "57P01"
	codeCannotConnectNow         = "57P03"
	codeUndefinedFile            = "58P01"
	codeInternalError            = "XX000"
	codeDataCorrupted            = "XX001"
	codeIOError                  = "58030"
	codeInvalidName              = "42602"
	codeNameTooLong              = "42622"
	codeInvalidCatalogName       = "3D000"
	codeStringDataRightTruncated = "22001"
)

// errorf makes an error that ends a command. The words are PostgreSQL's wherever it has some: clients match on them.
func errorf(code, format string, args ...any) *protocol.Error {
	return &protocol.Error{
		LocalizedSeverity: "ERROR", Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...),
	}
}

// fatalf makes an error that ends the session.
func fatalf(code, format string, args ...any) *protocol.Error {
	e := errorf(code, format, args...)
	e.LocalizedSeverity, e.Severity = "FATAL", "FATAL"
	return e
}

// A connError is an error of the connection: nothing can be said to the client any more.
type connError struct{ err error }

func (e *connError) Error() string { return "connection: " + e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// Why a context of a session ends: what is said to the client.
var (
	errAdminShutdown    = fatalf(codeAdminShutdown, "terminating connection due to administrator command")
	errStatementTimeout = errorf(codeQueryCanceled, "canceling statement due to statement timeout")
	errQueryCanceled    = errorf(codeQueryCanceled, "canceling statement due to user request")
)

// asProtocolError is what the client is told about an error of a command; ok is false when it cannot be told.
func asProtocolError(err error) (e *protocol.Error, ok bool) {
	if _, broken := errors.AsType[*connError](err); broken {
		return nil, false
	}
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return e, true
	}
	return errorf(codeInternalError, "%s", err), true
}
