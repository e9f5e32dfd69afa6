// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// SlotOptions say how a physical slot is made. Every slot reserves WAL from its creation on (RESERVE_WAL): one that
// does not protects nothing until it is first used.
type SlotOptions struct {
	Temporary   bool // dropped with the connection
	IfNotExists bool // a physical slot of that name is as good
}

// SlotInfo is the answer to READ_REPLICATION_SLOT.
type SlotInfo struct {
	RestartLSN      xlog.LSN        // oldest WAL that the slot keeps; 0 when it keeps none yet
	RestartTimeline xlog.TimelineID // 0 with it
}

// CreateSlot makes a physical replication slot. The error wraps ErrSlotExists when there is one of that name.
func (c *Conn) CreateSlot(ctx context.Context, name string, opts SlotOptions) error {
	_, err := c.exec(ctx, protocol.CreateReplicationSlot{Slot: name, Temporary: opts.Temporary, ReserveWAL: true})
	err = classifySlot(err)
	if opts.IfNotExists && errors.Is(err, ErrSlotExists) {
		return nil
	}
	return err
}

// DropSlot removes a slot; with wait it waits until nobody uses it. The error wraps ErrSlotNotFound when there is none.
func (c *Conn) DropSlot(ctx context.Context, name string, wait bool) error {
	_, err := c.exec(ctx, protocol.DropReplicationSlot{Slot: name, Wait: wait})
	return classifySlot(err)
}

// ReadSlot asks for a slot's position. The error wraps ErrSlotNotFound when there is none, ErrSlotUnusable when it is
// logical, and protocol.ErrUnsupported for a server before PostgreSQL 15.
func (c *Conn) ReadSlot(ctx context.Context, name string) (SlotInfo, error) {
	row, err := c.row(ctx, protocol.ReadReplicationSlot{Slot: name})
	if err != nil {
		if e, ok := errors.AsType[*protocol.Error](err); ok && e.Code == codeFeatureNotSupported {
			err = errors.Join(ErrSlotUnusable, err)
		}
		return SlotInfo{}, err
	}
	if row.text("slot_type") == "" {
		return SlotInfo{}, ErrSlotNotFound
	}
	var info SlotInfo
	if row.text("restart_lsn") == "" || row.text("restart_tli") == "" {
		return info, nil
	}
	if info.RestartLSN, err = row.lsn("restart_lsn"); err != nil {
		return SlotInfo{}, err
	}
	info.RestartTimeline, err = row.timeline("restart_tli")
	return info, err
}
