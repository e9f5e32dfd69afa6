// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/walsender/pgsql"
)

// extended does one message of the extended query protocol (exec_parse_message and those after it in postgres.c).
func (c *session) extended(ctx context.Context, typ byte, body []byte) error {
	m := &fields{rest: body}
	switch typ {
	case 'P':
		return c.parseMessage(ctx, m)
	case 'B':
		return c.bindMessage(m)
	case 'D':
		return c.describeMessage(m)
	case 'E':
		return c.executeMessage(ctx, m)
	case 'C':
		return c.closeMessage(m)
	}
	return nil // Flush: the dispatch does it
}

// extendedEnd is Sync, the end of a transaction: portals end with it.
func (c *session) extendedEnd() error {
	for name := range c.prepared.portals {
		c.prepared.dropPortal(name)
	}
	return c.ready()
}

// parseMessage prepares a statement.
func (c *session) parseMessage(ctx context.Context, m *fields) error {
	name, text := m.text(), m.text()
	types := make([]uint32, m.count(4))
	for i := range types {
		types[i] = uint32(m.int32())
	}
	if err := m.end(); err != nil {
		return err
	}
	if name != "" && c.prepared.statements[name] != nil {
		return errorf(codeDuplicateStatement, "prepared statement %q already exists", name)
	}
	all, err := c.parseSQL(text, types, false)
	if err != nil {
		return err
	}
	p := &prepared{statement: &statement{}, size: len(text)}
	switch {
	case len(all) > 1:
		return errorf(codeSyntaxError, "cannot insert multiple commands into a prepared statement")
	case len(all) == 1:
		if p.statement, err = all[0](ctx); err != nil {
			return err
		}
	}
	if err := p.checked(); err != nil {
		return err
	}
	if err := c.prepared.addStatement(name, p); err != nil {
		return err
	}
	return c.put(&pgproto3.ParseComplete{})
}

// bindMessage makes a portal of a statement.
func (c *session) bindMessage(m *fields) error {
	portalName, name := m.text(), m.text()
	p, err := c.prepared.statement(name)
	if err != nil {
		return err
	}
	formats := m.formats()
	values := make([][]byte, m.count(4))
	size := 0
	for i := range values {
		values[i] = m.value()
		size += len(values[i])
	}
	results := m.formats()
	if err := m.end(); err != nil {
		return err
	}
	made := &portal{statement: p.statement, size: size}
	if made.args, err = p.arguments(name, formats, values); err != nil {
		return err
	}
	if made.formats, err = spread(results, len(p.columns), "result columns"); err != nil {
		return err
	}
	if portalName != "" && c.prepared.portals[portalName] != nil {
		return errorf(codeDuplicateCursor, "cursor %q already exists", portalName)
	}
	if err := c.prepared.addPortal(portalName, made); err != nil {
		return err
	}
	return c.put(&pgproto3.BindComplete{})
}

// arguments reads the values of parameters.
func (p *prepared) arguments(name string, formats []int16, values [][]byte) ([]pgsql.Value, error) {
	if len(values) != len(p.params) {
		return nil, errorf(codeProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(values), name, len(p.params))
	}
	formats, err := spread(formats, len(values), "parameters")
	if err != nil {
		return nil, err
	}
	args := make([]pgsql.Value, len(values))
	for i, value := range values {
		switch {
		case value == nil:
		case formats[i] == binaryFormat:
			args[i], err = pgsql.ParseBinary(value, p.params[i])
		default:
			args[i], err = pgsql.ParseText(string(value), p.params[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return args, nil
}

// spread gives each of n values a format: none given is text for all, one is for all.
func spread(formats []int16, n int, of string) ([]int16, error) {
	if len(formats) > 1 && len(formats) != n {
		return nil, errorf(codeProtocolViolation, "bind message has %d formats but %d %s", len(formats), n, of)
	}
	all := make([]int16, n)
	for i := range all {
		switch len(formats) {
		case 0:
		case 1:
			all[i] = formats[0]
		default:
			all[i] = formats[i]
		}
		if all[i] != 0 && all[i] != binaryFormat {
			return nil, errorf(codeInvalidParameterValue, "unsupported format code: %d", all[i])
		}
	}
	return all, nil
}

// describeMessage says which parameters and columns a statement or a portal has.
func (c *session) describeMessage(m *fields) error {
	kind, name := m.byte(), m.text()
	if err := m.end(); err != nil {
		return err
	}
	switch kind {
	case 'S':
		p, err := c.prepared.statement(name)
		if err != nil {
			return err
		}
		if err := c.put(&pgproto3.ParameterDescription{ParameterOIDs: p.params}); err != nil {
			return err
		}
		return c.describeColumns(p.columns, nil)
	case 'P':
		p, err := c.prepared.portal(name)
		if err != nil {
			return err
		}
		return c.describeColumns(p.statement.columns, p.formats)
	}
	return errorf(codeProtocolViolation, "invalid DESCRIBE message subtype %d", kind)
}

func (c *session) describeColumns(columns []pgsql.Column, formats []int16) error {
	if columns == nil {
		return c.put(&pgproto3.NoData{})
	}
	return c.putSQLColumns(columns, formats)
}

// executeMessage sends rows of a portal, all that are left or no more than the client asks for.
func (c *session) executeMessage(ctx context.Context, m *fields) error {
	name, most := m.text(), int(m.int32())
	if err := m.end(); err != nil {
		return err
	}
	p, err := c.prepared.portal(name)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.statement.run == nil:
		return c.put(&pgproto3.EmptyQueryResponse{})
	}
	if !p.started {
		p.started = true
		if err := p.statement.checked(); err != nil {
			return err
		}
		ctx, cancel := c.withTimeout(ctx)
		defer cancel()
		if p.rows, p.tag, err = p.statement.run(ctx, p.args); err != nil {
			return err
		}
	}
	return c.sendPortal(p, most)
}

func (c *session) sendPortal(p *portal, most int) error {
	n := len(p.rows)
	if most > 0 {
		n = min(n, most)
	}
	if err := c.sendValues(p.rows[:n], p.statement.columns, p.formats); err != nil {
		return err
	}
	p.rows = p.rows[n:]
	if len(p.rows) > 0 {
		return c.put(&pgproto3.PortalSuspended{})
	}
	return c.complete(p.tag)
}

// closeMessage forgets a statement or a portal; it is no error if there is none.
func (c *session) closeMessage(m *fields) error {
	kind, name := m.byte(), m.text()
	if err := m.end(); err != nil {
		return err
	}
	switch kind {
	case 'S':
		c.prepared.dropStatement(name)
	case 'P':
		c.prepared.dropPortal(name)
	default:
		return errorf(codeProtocolViolation, "invalid CLOSE message subtype %d", kind)
	}
	return c.put(&pgproto3.CloseComplete{})
}
