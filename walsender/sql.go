// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/walsender/pgsql"
)

// SQLSTATEs of SQL (src/backend/utils/errcodes.txt).
const (
	codeInvalidStatementName = "26000"
	codeInvalidCursorName    = "34000"
	codeDuplicateStatement   = "42P05"
	codeDuplicateCursor      = "42P03"
	codeStatementTooComplex  = "54001"
)

// A statement is SQL that is understood.
type statement struct {
	columns []pgsql.Column // of the result; nil: there is none
	params  []uint32       // types of the parameters
	// check, if there is one, comes before columns are sent.
	check func() error
	// run returns the rows of the result and the tag of CommandComplete.
	run func(ctx context.Context, args []pgsql.Value) (rows [][]pgsql.Value, tag string, err error)
}

func (s *statement) checked() error {
	if s.check == nil {
		return nil
	}
	return s.check()
}

// analysis is what follows on parsing: it finds what the names mean.
type analysis func(ctx context.Context) (*statement, error)

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
		if err := c.analyzeAndRun(ctx, analyze); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return c.put(&pgproto3.EmptyQueryResponse{})
	}
	return nil
}

func (c *session) analyzeAndRun(ctx context.Context, analyze analysis) error {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	s, err := analyze(ctx)
	if err != nil {
		return err
	}
	return c.runStatement(ctx, s)
}

// withTimeout ends a context after statement_timeout, or the longest time that there is for a query.
func (c *session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := c.server.cfg.QueryTimeout
	value, _ := c.setting("statement_timeout")
	if own, err := parseMilliseconds(value); err == nil && own > 0 && (own < limit || limit <= 0) {
		limit = own
	}
	if limit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, limit, errStatementTimeout)
}

// runStatement runs a statement and sends its result in text form.
func (c *session) runStatement(ctx context.Context, s *statement) error {
	if err := s.checked(); err != nil {
		return err
	}
	if s.columns != nil {
		if err := c.putSQLColumns(s.columns, nil); err != nil {
			return err
		}
	}
	rows, tag, err := s.run(ctx, nil)
	if err != nil {
		return err
	}
	if err := c.sendValues(rows, s.columns, nil); err != nil {
		return err
	}
	return c.complete(tag)
}

// sendValues sends rows in the formats of their columns; nil is text for all.
func (c *session) sendValues(rows [][]pgsql.Value, columns []pgsql.Column, formats []int16) error {
	for _, row := range rows {
		values, err := encodeRow(row, columns, formats)
		if err != nil {
			return err
		}
		if err := c.sendRow(values); err != nil {
			return err
		}
	}
	return nil
}

// encodeRow makes a row's values what is sent. Formats has one for each column; nil is text for all.
func encodeRow(row []pgsql.Value, columns []pgsql.Column, formats []int16) ([][]byte, error) {
	values := make([][]byte, len(row))
	for i, v := range row {
		var err error
		switch {
		case v == nil:
		case formats != nil && formats[i] == binaryFormat:
			values[i], err = pgsql.AppendBinary([]byte{}, v, columns[i].Type)
		default:
			values[i] = pgsql.AppendText([]byte{}, v, columns[i].Type)
		}
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

const binaryFormat = 1

// parseSQL reads statements that are separated by semicolons. Params are the types that the client gives for the
// parameters, as far as it does.
func (c *session) parseSQL(text string, params []uint32, simple bool) ([]analysis, error) {
	p, err := pgsql.NewParser(text, simple)
	if err != nil {
		return nil, err
	}
	var all []analysis
	for {
		for p.Next.Is(";") {
			if err := p.Advance(); err != nil {
				return nil, err
			}
		}
		if p.Next.Kind == pgsql.End {
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
func (c *session) parseStatement(p *pgsql.Parser, params []uint32) (analysis, error) {
	first := p.Next
	if first.Is("select") || first.Is("with") || first.Is("values") || first.Is("table") || first.Is("(") {
		return c.parseQuery(p, params)
	}
	if err := p.Advance(); err != nil {
		return nil, err
	}
	if first.Kind != pgsql.Word {
		return nil, p.UnexpectedToken(first)
	}
	s, err := c.parseUtility(p, first)
	return func(context.Context) (*statement, error) { return s, nil }, err
}

// parseQuery reads a SELECT and its like.
func (c *session) parseQuery(p *pgsql.Parser, params []uint32) (analysis, error) {
	q, err := p.Query()
	if err != nil {
		return nil, err
	}
	if !p.Ends() {
		return nil, p.Unexpected()
	}
	return func(ctx context.Context) (*statement, error) {
		st, err := pgsql.Analyze(ctx, c.environment(), q, params)
		if err != nil {
			return nil, err
		}
		run := func(ctx context.Context, args []pgsql.Value) ([][]pgsql.Value, string, error) {
			rows, err := st.Run(ctx, args)
			return rows, fmt.Sprintf("SELECT %d", len(rows)), err
		}
		return &statement{columns: st.Columns, params: st.Params, run: run}, nil
	}, nil
}

// parseUtility reads a statement that is no SELECT.
func (c *session) parseUtility(p *pgsql.Parser, first pgsql.Token) (*statement, error) {
	switch first.Text {
	case "show":
		return c.parseShow(p)
	case "set":
		return c.parseSet(p)
	case "reset":
		return c.parseReset(p)
	case "begin", "start", "commit", "end", "rollback", "abort":
		return ignored(p, transactionTags[first.Text])
	case "deallocate", "discard":
		if _, err := ignored(p, ""); err != nil {
			return nil, err
		}
		forget := func() error {
			c.prepared = preparedSet{}
			return nil
		}
		return doing(forget, strings.ToUpper(first.Text)+" ALL"), nil
	case "insert", "update", "delete", "create", "drop", "alter", "copy", "explain", "lock",
		"truncate", "vacuum", "analyze", "checkpoint", "do", "call", "declare", "fetch", "close", "listen", "notify",
		"unlisten", "prepare", "execute", "grant", "revoke", "comment", "merge", "load", "reindex", "cluster":
		return nil, errorf(codeFeatureNotSupported, "%s is not supported by this server", strings.ToUpper(first.Text))
	}
	return nil, p.UnexpectedToken(first)
}

var transactionTags = map[string]string{
	"begin": "BEGIN", "start": "START TRANSACTION", "commit": "COMMIT", "end": "COMMIT", "rollback": "ROLLBACK",
	"abort": "ROLLBACK",
}

// ignored is a statement that does nothing, whatever comes behind its first word.
func ignored(p *pgsql.Parser, tag string) (*statement, error) {
	for !p.Ends() {
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	return doing(func() error { return nil }, tag), nil
}

// reported tells the client about a setting that has another value now, where it is one of those that it is told about.
func (c *session) reported(name string) error {
	if !slices.Contains(c.server.reportedSettings(), name) {
		return nil
	}
	value, _ := c.setting(name)
	return c.putSetting(name, value)
}
