// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/protocol"
)

// startPoint decides where the first stream of a Run begins, as StreamLog in pg_receivewal.c does: where the sink
// goes on, else what the slot keeps, else where the server is; always at the start of a segment.
func (r *Receiver) startPoint(ctx context.Context, conn *Conn, server SystemIdentity) (Position, error) {
	p, err := r.findStart(ctx, conn, server)
	p.LSN = r.segSize.RoundDown(p.LSN)
	return p, err
}

func (r *Receiver) findStart(ctx context.Context, conn *Conn, server SystemIdentity) (Position, error) {
	if r.cfg.Start != nil {
		return *r.cfg.Start, nil
	}
	if tli, lsn, ok := r.cfg.Sink.Resume(); ok {
		return Position{Timeline: tli, LSN: lsn}, nil
	}
	if r.slot != "" {
		info, err := conn.ReadSlot(ctx, r.slot)
		if err == nil && info.RestartLSN != 0 {
			return Position{Timeline: info.RestartTimeline, LSN: info.RestartLSN}, nil
		}
		if err != nil && !errors.Is(err, protocol.ErrUnsupported) {
			return Position{}, err
		}
	}
	return Position{Timeline: server.Timeline, LSN: server.XLogPos}, nil
}

// makeSlot creates the slot that the configuration asks for.
func (r *Receiver) makeSlot(ctx context.Context, conn *Conn) error {
	temporary := r.cfg.CreateSlot == SlotTemporary
	switch {
	case r.cfg.CreateSlot == SlotMustExist || r.slotMade && !temporary:
		return nil
	case temporary && r.cfg.Slot == "":
		r.slot = fmt.Sprintf("walreceiver_%d", conn.Server().PID)
		r.track.change(func(s *Status) { s.Slot = r.slot })
	}
	err := conn.CreateSlot(ctx, r.slot, SlotOptions{Temporary: temporary})
	if errors.Is(err, ErrSlotExists) && !temporary {
		r.slotMade = true
		return nil
	}
	if err != nil {
		return err
	}
	r.slotMade = true
	r.emit(SlotCreated{Slot: r.slot, Temporary: temporary})
	return nil
}
