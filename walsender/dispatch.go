// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"bytes"
	"context"
	"io"

	"github.com/walmirror/walmirror/protocol"
)

// message does what one message of the client asks for. An error ends the session; io.EOF is the client's goodbye. The
// types are those of PostgresMain (src/backend/tcop/postgres.c).
func (c *session) message(typ byte, body []byte) error {
	if c.skipToSync && typ != 'S' && typ != 'X' {
		return nil
	}
	switch typ {
	case 'Q':
		return c.query(body)
	case 'P', 'B', 'D', 'E', 'C', 'H':
		return c.extendedMessage(typ, body)
	case 'S':
		c.skipToSync = false
		return c.extendedEnd()
	case 'F':
		return c.functionCall()
	case 'd', 'c', 'f': // the rest of a COPY that failed
		return nil
	case 'X':
		return io.EOF
	}
	return fatalf(codeProtocolViolation, "invalid frontend message type %d", typ)
}

// query runs the text of a simple query and says that the next one may come.
func (c *session) query(body []byte) error {
	text, ok := bytes.CutSuffix(body, []byte{0})
	if !ok || bytes.IndexByte(text, 0) >= 0 {
		return fatalf(codeProtocolViolation, "invalid string in message")
	}
	err := c.command(func(ctx context.Context) error { return c.execute(ctx, string(text)) })
	if err := c.report(err); err != nil {
		return err
	}
	return c.ready()
}

// command runs f with a context that a CancelRequest ends too.
func (c *session) command(f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	c.setCancel(cancel)
	defer c.setCancel(nil)
	err := f(ctx)
	if err != nil && ctx.Err() != nil && c.broken == nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *session) setCancel(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelCmd = cancel
}

// report tells the client about the error of a command. What it returns ends the session.
func (c *session) report(err error) error {
	if err == nil {
		return nil
	}
	e, ok := asProtocolError(err)
	if !ok || e.Fatal() || c.broken != nil || err == io.EOF {
		return err
	}
	c.server.cfg.Slots.dropTemporary(c)
	c.event(EventFailed, "", e)
	c.putError(e)
	return nil
}

// functionCall refuses a FunctionCall.
func (c *session) functionCall() error {
	err := c.report(errorf(codeProtocolViolation,
		"fastpath function calls not supported in a replication connection"))
	if err != nil {
		return err
	}
	return c.ready()
}

// extendedMessage does one message of the extended query protocol, which a replication connection does not know.
func (c *session) extendedMessage(typ byte, body []byte) error {
	err := c.command(func(ctx context.Context) error {
		if c.replication != ordinary && typ != 'H' {
			return errorf(codeProtocolViolation, "extended query protocol not supported in a replication connection")
		}
		return c.extended(ctx, typ, body)
	})
	c.skipToSync = err != nil
	if err := c.report(err); err != nil {
		return err
	}
	if typ == 'H' {
		return c.flush()
	}
	return nil
}

// execute runs the text of a simple query: exec_replication_command of walsender.c, or SQL.
func (c *session) execute(ctx context.Context, text string) error {
	if c.replication == ordinary {
		return c.sql(ctx, text)
	}
	cmd, err := c.server.dialect.Parse(text)
	if err != nil {
		return err
	}
	if sql, ok := cmd.(protocol.SQL); ok {
		return c.sql(ctx, sql.Text)
	}
	c.event(EventCommand, text, nil)
	if err := c.replicationCommand(ctx, cmd); err != nil {
		return err
	}
	return c.complete(c.tag(cmd))
}

// replicationCommand runs a command up to its CommandComplete.
func (c *session) replicationCommand(ctx context.Context, cmd protocol.Command) error {
	switch cmd := cmd.(type) {
	case protocol.IdentifySystem:
		return c.identifySystem()
	case protocol.Show:
		return c.show(cmd.Name)
	case protocol.TimelineHistory:
		return c.timelineHistory(ctx, cmd)
	case protocol.ReadReplicationSlot:
		return c.readSlot(ctx, cmd)
	case protocol.CreateReplicationSlot:
		return c.createSlot(ctx, cmd)
	case protocol.AlterReplicationSlot:
		return c.alterSlot(ctx, cmd)
	case protocol.DropReplicationSlot:
		return c.dropSlot(ctx, cmd)
	case protocol.StartReplication:
		return c.startReplication(ctx, cmd)
	case protocol.StartLogicalReplication:
		return c.startLogical(ctx, cmd)
	case protocol.BaseBackup:
		return c.baseBackup(ctx, cmd)
	case protocol.UploadManifest:
		return c.uploadManifest(ctx)
	}
	return errorf(codeInternalError, "unrecognized replication command: %T", cmd)
}

// tag is the CommandComplete of a replication command; before 13 it was the same for all.
func (c *session) tag(cmd protocol.Command) string {
	if v := c.server.dialect.Major(); v != 0 && v < 13 {
		return "SELECT"
	}
	switch cmd.(type) {
	case protocol.IdentifySystem:
		return "IDENTIFY_SYSTEM"
	case protocol.Show:
		return "SHOW"
	case protocol.TimelineHistory:
		return "TIMELINE_HISTORY"
	case protocol.ReadReplicationSlot:
		return "READ_REPLICATION_SLOT"
	case protocol.CreateReplicationSlot:
		return "CREATE_REPLICATION_SLOT"
	case protocol.AlterReplicationSlot:
		return "ALTER_REPLICATION_SLOT"
	case protocol.DropReplicationSlot:
		return "DROP_REPLICATION_SLOT"
	case protocol.StartReplication, protocol.StartLogicalReplication:
		return "START_REPLICATION"
	case protocol.BaseBackup:
		return "BASE_BACKUP"
	}
	return "UPLOAD_MANIFEST"
}
