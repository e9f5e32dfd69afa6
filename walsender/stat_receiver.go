// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"time"

	"github.com/walmirror/walmirror/walsender/pgsql"
	"github.com/walmirror/walmirror/xlog"
)

// WALReceiverStat is the row of pg_stat_wal_receiver. What is zero is NULL.
type WALReceiverStat struct {
	PID                int
	Status             string
	ReceiveStartLSN    xlog.LSN
	ReceiveStartTLI    xlog.TimelineID
	WrittenLSN         xlog.LSN
	FlushedLSN         xlog.LSN
	ReceivedTLI        xlog.TimelineID
	LastMsgSendTime    time.Time
	LastMsgReceiptTime time.Time
	LatestEndLSN       xlog.LSN
	LatestEndTime      time.Time
	SlotName           string
	SenderHost         string
	SenderPort         int
	ConnInfo           string // without secrets
}

// receiverView is pg_stat_wal_receiver (system_views.sql): a row when log comes in.
func (s *Server) receiverView() *pgsql.Table {
	before, after := s.receiverPositions()
	columns := []pgsql.Column{
		column("pid", pgsql.Int4), column("status", pgsql.Text), column("receive_start_lsn", pgsql.PGLSN),
		column("receive_start_tli", pgsql.Int4),
	}
	columns = append(append(columns, before...), column("received_tli", pgsql.Int4),
		column("last_msg_send_time", pgsql.TimestampTZ), column("last_msg_receipt_time", pgsql.TimestampTZ),
		column("latest_end_lsn", pgsql.PGLSN), column("latest_end_time", pgsql.TimestampTZ), column("slot_name", pgsql.Text),
		column("sender_host", pgsql.Text), column("sender_port", pgsql.Int4), column("conninfo", pgsql.Text))
	return madeTable("pg_stat_wal_receiver", columns, func() [][]pgsql.Value {
		if s.cfg.WALReceiver == nil {
			return nil
		}
		r, ok := s.cfg.WALReceiver()
		if !ok {
			return nil
		}
		row := []pgsql.Value{
			int64(r.PID), textOrNull(r.Status), lsnOrNull(r.ReceiveStartLSN), xidOrNull(uint32(r.ReceiveStartTLI)),
		}
		row = append(append(row, after(&r)...), xidOrNull(uint32(r.ReceivedTLI)), timeOrNull(r.LastMsgSendTime),
			timeOrNull(r.LastMsgReceiptTime), lsnOrNull(r.LatestEndLSN), timeOrNull(r.LatestEndTime), textOrNull(r.SlotName),
			textOrNull(r.SenderHost), xidOrNull(uint32(r.SenderPort)), textOrNull(r.ConnInfo))
		return [][]pgsql.Value{row}
	})
}

// receiverPositions are the columns for how far the log has come in, which PostgreSQL 13 has made two of.
func (s *Server) receiverPositions() ([]pgsql.Column, func(*WALReceiverStat) []pgsql.Value) {
	if major := s.dialect.Major(); major != 0 && major < 13 {
		return []pgsql.Column{column("received_lsn", pgsql.PGLSN)}, func(r *WALReceiverStat) []pgsql.Value {
			return []pgsql.Value{lsnOrNull(r.FlushedLSN)}
		}
	}
	columns := []pgsql.Column{column("written_lsn", pgsql.PGLSN), column("flushed_lsn", pgsql.PGLSN)}
	return columns, func(r *WALReceiverStat) []pgsql.Value {
		return []pgsql.Value{lsnOrNull(r.WrittenLSN), lsnOrNull(r.FlushedLSN)}
	}
}
