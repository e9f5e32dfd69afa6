// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"bytes"
	"encoding/binary"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/pgsql"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// sqlColumn makes values for SQL of a column of a catalog.
type sqlColumn struct {
	at   int // its index
	oid  uint32
	size int // of an integer that is taken as it is, in bytes; 0: by its text
	text bool
}

func newSQLColumn(at int, typ catalog.TypeInfo) sqlColumn {
	c := sqlColumn{at: at, oid: typ.OID}
	switch typ.OID {
	case pgsql.Bool, pgsql.Int2, pgsql.Int4, pgsql.Int8, pgsql.OID, pgsql.XID, pgsql.CID, pgsql.RegProc, pgsql.RegProcedure,
		pgsql.RegClass, pgsql.RegType, pgsql.RegRole, pgsql.RegNamespace, pgsql.RegOper, pgsql.RegOperator,
		pgsql.RegCollation, pgsql.RegConfig, pgsql.RegDictionary:
		c.size = int(typ.Len)
	case pgsql.Name, pgsql.Text:
		c.text = true
	}
	return c
}

// value is that of a row.
func (c *sqlColumn) value(row *catalog.Row) (pgsql.Value, error) {
	if c.size == 0 && !c.text {
		text, null, err := row.Text(c.at)
		if err != nil || null {
			return nil, err
		}
		return pgsql.CatalogText(text, c.oid)
	}
	raw, err := row.Value(c.at)
	if err != nil || raw == nil {
		return nil, err
	}
	if c.text {
		if end := bytes.IndexByte(raw, 0); end >= 0 {
			raw = raw[:end]
		}
		return string(raw), nil
	}
	if len(raw) != c.size {
		return nil, catalog.ErrValue
	}
	signed := c.oid == pgsql.Int2 || c.oid == pgsql.Int4
	switch c.size {
	case 1:
		return int64(raw[0]), nil
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(raw))), nil
	case 4:
		if n := binary.LittleEndian.Uint32(raw); !signed {
			return int64(n), nil
		}
		return int64(int32(binary.LittleEndian.Uint32(raw))), nil
	}
	return int64(binary.LittleEndian.Uint64(raw)), nil
}

// receiverStat is the row of pg_stat_wal_receiver; there is none while there is no connection.
func (s *Standby) receiverStat() (walsender.WALReceiverStat, bool) {
	s.mu.Lock()
	r, pid := s.receiver, s.status.PID
	s.mu.Unlock()
	if r == nil {
		return walsender.WALReceiverStat{}, false
	}
	st := r.Status()
	var status string
	switch st.State {
	case walreceiver.StateStreaming, walreceiver.StateCatchup:
		status = "streaming"
	case walreceiver.StateStartup:
		status = "starting"
	default:
		return walsender.WALReceiverStat{}, false
	}
	return walsender.WALReceiverStat{
		PID: pid, Status: status, ReceiveStartLSN: st.ReceiveStart.LSN, ReceiveStartTLI: st.ReceiveStart.Timeline,
		WrittenLSN: st.WrittenLSN, FlushedLSN: st.FlushedLSN, ReceivedTLI: st.ReceivedTimeline,
		LastMsgSendTime: st.LastMsgSendTime, LastMsgReceiptTime: st.LastMsgReceiptTime, LatestEndLSN: st.LatestEndLSN,
		LatestEndTime: st.LatestEndTime, SlotName: st.Slot, SenderHost: st.SenderHost, SenderPort: st.SenderPort,
		ConnInfo: st.ConnInfo,
	}, true
}
