// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"

	"github.com/walmirror/walmirror/protocol"
)

// createSlot answers CREATE_REPLICATION_SLOT (CreateReplicationSlot in walsender.c).
func (c *session) createSlot(_ context.Context, cmd protocol.CreateReplicationSlot) error {
	if cmd.Plugin != "" {
		return errLogical(c.replication)
	}
	slots := c.server.cfg.Slots
	held, err := slots.create(cmd.Slot, cmd.Temporary, c)
	if err != nil {
		return err
	}
	if cmd.ReserveWAL {
		c.server.reserve(held)
	}
	if err := held.release(); err != nil {
		return errors.Join(errorf(codeIOError, "%s", err), slots.drop(context.Background(), cmd.Slot, false))
	}
	columns := []protocol.Column{
		{Name: "slot_name", TypeOID: oidText}, {Name: "consistent_point", TypeOID: oidText},
		{Name: "snapshot_name", TypeOID: oidText}, {Name: "output_plugin", TypeOID: oidText},
	}
	return c.sendRows(columns, [][][]byte{{[]byte(cmd.Slot), []byte("0/0"), nil, nil}}, "")
}

// errLogical is what a server with wal_level = replica says to logical replication (CheckLogicalDecodingRequirements).
func errLogical(mode replicationMode) error {
	if mode != forDatabase {
		return errorf(codeNotInPrerequisiteState, "logical decoding requires a database connection")
	}
	return errorf(codeNotInPrerequisiteState, "logical decoding requires wal_level >= logical")
}

// startLogical refuses START_REPLICATION ... LOGICAL.
func (c *session) startLogical(context.Context, protocol.StartLogicalReplication) error {
	return errLogical(c.replication)
}

// readSlot answers READ_REPLICATION_SLOT: a row of NULLs when there is no such slot (ReadReplicationSlot).
func (c *session) readSlot(_ context.Context, cmd protocol.ReadReplicationSlot) error {
	columns := []protocol.Column{
		{Name: "slot_type", TypeOID: oidText}, {Name: "restart_lsn", TypeOID: oidText},
		{Name: "restart_tli", TypeOID: oidInt8},
	}
	row := make([][]byte, len(columns))
	if st, ok := c.server.cfg.Slots.get(cmd.Slot); ok {
		row[0] = []byte("physical")
		if st.restart != 0 {
			history := c.server.cfg.Source.Position().History
			row[1] = []byte(st.restart.String())
			row[2] = []byte(history.TimelineAt(st.restart).String())
		}
	}
	return c.sendRows(columns, [][][]byte{row}, "")
}

// alterSlot answers ALTER_REPLICATION_SLOT, which is for logical slots only (ReplicationSlotAlter in slot.c).
func (c *session) alterSlot(_ context.Context, cmd protocol.AlterReplicationSlot) error {
	if _, ok := c.server.cfg.Slots.get(cmd.Slot); !ok {
		return errNoSlot(cmd.Slot)
	}
	return errorf(codeFeatureNotSupported, "cannot use %s with a physical replication slot", "ALTER_REPLICATION_SLOT")
}

// dropSlot answers DROP_REPLICATION_SLOT.
func (c *session) dropSlot(ctx context.Context, cmd protocol.DropReplicationSlot) error {
	err := c.server.cfg.Slots.drop(ctx, cmd.Slot, cmd.Wait)
	if _, ok := errors.AsType[*protocol.Error](err); err != nil && !ok && ctx.Err() == nil {
		return errorf(codeIOError, "could not remove replication slot \"%s\": %s", cmd.Slot, err)
	}
	return err
}
