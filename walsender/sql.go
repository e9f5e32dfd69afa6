// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
)

// SQLSTATEs of SQL (src/backend/utils/errcodes.txt).
const (
	codeInvalidText          = "22P02"
	codeInvalidBinary        = "22P03"
	codeInvalidStatementName = "26000"
	codeInvalidCursorName    = "34000"
	codeUndefinedColumn      = "42703"
	codeUndefinedFunction    = "42883"
	codeUndefinedTable       = "42P01"
	codeUndefinedParameter   = "42P02"
	codeDuplicateStatement   = "42P05"
	codeDuplicateCursor      = "42P03"
	codeGrouping             = "42803"
	codeDatatypeMismatch     = "42804"
	codeStatementTooComplex  = "54001"
)

// A statement is SQL that is understood.
type statement struct {
	columns []protocol.Column // of the result; nil: there is none
	params  []uint32          // types of the parameters
	// check, if there is one, comes before columns are sent.
	check func() error
	// run returns the rows of the result and the tag of CommandComplete.
	run func(args []datum) (rows [][]datum, tag string, err error)
}

func (s *statement) checked() error {
	if s.check == nil {
		return nil
	}
	return s.check()
}

// analysis is what follows on parsing: it finds what the names mean.
type analysis func() (*statement, error)

// sql runs the text of a simple query (exec_simple_query in postgres.c): all of it is parsed before the first statement
// runs. There are no transactions here: statements that are about them do nothing.
func (c *session) sql(ctx context.Context, text string) error {
	if c.replication == physical {
		return errorf(codeFeatureNotSupported, "cannot execute SQL commands in WAL sender for physical replication")
	}
	all, err := c.parseSQL(text, nil, true)
	if err != nil {
		return err
	}
	for _, analyze := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s, err := analyze()
		if err != nil {
			return err
		}
		if err := c.runStatement(s); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return c.put(&pgproto3.EmptyQueryResponse{})
	}
	return nil
}

// runStatement runs a statement and sends its result in text form.
func (c *session) runStatement(s *statement) error {
	if err := s.checked(); err != nil {
		return err
	}
	if s.columns != nil {
		if err := c.putColumns(s.columns, nil); err != nil {
			return err
		}
	}
	rows, tag, err := s.run(nil)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := c.sendRow(encodeRow(row, s.columns, nil)); err != nil {
			return err
		}
	}
	return c.complete(tag)
}

// encodeRow makes a row's values what is sent. Formats has one for each column; nil is text for all.
func encodeRow(row []datum, columns []protocol.Column, formats []int16) [][]byte {
	values := make([][]byte, len(row))
	for i, d := range row {
		switch {
		case d == nil:
		case formats != nil && formats[i] == binaryFormat:
			values[i] = appendBinary([]byte{}, d, columns[i].TypeOID)
		default:
			values[i] = appendText([]byte{}, d)
		}
	}
	return values
}

const binaryFormat = 1

// parseSQL reads statements that are separated by semicolons. Params are the types that the client gives for the
// parameters, as far as it does.
func (c *session) parseSQL(text string, params []uint32, simple bool) ([]analysis, error) {
	p, err := newSQLParser(text, simple)
	if err != nil {
		return nil, err
	}
	var all []analysis
	for {
		for p.next.is(";") {
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		if p.next.kind == sqlEnd {
			return all, nil
		}
		if len(all) == maxStatements {
			return nil, errorf(codeStatementTooComplex, "more than %d statements", maxStatements)
		}
		analyze, err := c.parseStatement(p, params)
		if err != nil {
			return nil, err
		}
		all = append(all, analyze)
	}
}

const maxStatements = 100

// parseStatement reads one statement.
func (c *session) parseStatement(p *sqlParser, params []uint32) (analysis, error) {
	first := p.next
	if err := p.advance(); err != nil {
		return nil, err
	}
	if first.kind != sqlWord {
		return nil, p.unexpectedToken(first)
	}
	if first.text == "select" {
		s, err := p.selectStatement()
		return func() (*statement, error) { return c.resolve(p, s, params) }, err
	}
	s, err := c.parseUtility(p, first)
	return func() (*statement, error) { return s, nil }, err
}

// parseUtility reads a statement that is no SELECT.
func (c *session) parseUtility(p *sqlParser, first sqlToken) (*statement, error) {
	switch first.text {
	case "show":
		return c.parseShow(p)
	case "set":
		return c.parseSet(p)
	case "reset":
		return c.parseReset(p)
	case "begin", "start", "commit", "end", "rollback", "abort":
		return ignored(p, transactionTags[first.text])
	case "deallocate", "discard":
		s, err := ignored(p, strings.ToUpper(first.text)+" ALL")
		if err == nil {
			s.run = c.forgetPrepared(s.run)
		}
		return s, err
	case "insert", "update", "delete", "create", "drop", "alter", "copy", "with", "table", "values", "explain", "lock",
		"truncate", "vacuum", "analyze", "checkpoint", "do", "call", "declare", "fetch", "close", "listen", "notify",
		"unlisten", "prepare", "execute", "grant", "revoke", "comment", "merge", "load", "reindex", "cluster":
		return nil, errorf(codeFeatureNotSupported, "%s is not supported by this server", strings.ToUpper(first.text))
	}
	return nil, p.unexpectedToken(first)
}

var transactionTags = map[string]string{
	"begin": "BEGIN", "start": "START TRANSACTION", "commit": "COMMIT", "end": "COMMIT", "rollback": "ROLLBACK",
	"abort": "ROLLBACK",
}

// ignored is a statement that does nothing, whatever comes behind its first word.
func ignored(p *sqlParser, tag string) (*statement, error) {
	for !p.ends() {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return &statement{run: func([]datum) ([][]datum, string, error) { return nil, tag, nil }}, nil
}

// forgetPrepared lets a statement end all that was prepared.
func (c *session) forgetPrepared(run func([]datum) ([][]datum, string, error)) func([]datum) ([][]datum, string, error) {
	return func(args []datum) ([][]datum, string, error) {
		c.prepared = preparedSet{}
		return run(args)
	}
}

// reported tells the client about a setting that has another value now, where it is one of those that it is told about.
func (c *session) reported(name string) error {
	if !slices.Contains(c.server.reportedSettings(), name) {
		return nil
	}
	value, _ := c.setting(name)
	return c.putSetting(name, value)
}
