// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"net/netip"
	"time"

	"github.com/walmirror/walmirror/walsender/pgsql"
)

// table finds what SELECT reads from, besides catalogs: views of statistics, and functions that make rows. It returns nil
// when there is none of that name.
func (c *session) table(_, name string) *pgsql.Table {
	s := c.server
	switch name {
	case "pg_stat_replication":
		return madeTable(name, replicationColumns, func() [][]pgsql.Value { return replicationRows(s.Replication()) })
	case "gp_stat_replication":
		return madeTable(name, gpReplicationColumns, func() [][]pgsql.Value { return gpReplicationRows(s.Replication()) })
	case "pg_replication_slots":
		return s.slotsView()
	case "pg_stat_wal_receiver":
		return s.receiverView()
	case "pg_control_system":
		return s.controlSystem()
	}
	return nil
}

// madeTable is a relation whose rows are made when a statement runs.
func madeTable(name string, columns []pgsql.Column, rows func() [][]pgsql.Value) *pgsql.Table {
	return &pgsql.Table{Schema: "pg_catalog", Name: name, Columns: columns, Rows: func() ([][]pgsql.Value, error) {
		return rows(), nil
	}}
}

// column is one of a relation of this package.
func column(name string, oid uint32) pgsql.Column {
	return pgsql.Column{Name: name, Type: oid, Typmod: -1}
}

// replicationColumns are those of pg_stat_replication (system_views.sql), the same from PostgreSQL 12 to 18.
var replicationColumns = []pgsql.Column{
	column("pid", pgsql.Int4), column("usesysid", pgsql.OID), column("usename", pgsql.Name),
	column("application_name", pgsql.Text), column("client_addr", pgsql.Inet),
	column("client_hostname", pgsql.Text), column("client_port", pgsql.Int4),
	column("backend_start", pgsql.TimestampTZ), column("backend_xmin", pgsql.XID),
	column("state", pgsql.Text), column("sent_lsn", pgsql.PGLSN), column("write_lsn", pgsql.PGLSN),
	column("flush_lsn", pgsql.PGLSN), column("replay_lsn", pgsql.PGLSN),
	column("write_lag", pgsql.Interval), column("flush_lag", pgsql.Interval),
	column("replay_lag", pgsql.Interval), column("sync_priority", pgsql.Int4),
	column("sync_state", pgsql.Text), column("reply_time", pgsql.TimestampTZ),
}

func replicationRows(all []ReplicationStat) [][]pgsql.Value {
	rows := make([][]pgsql.Value, len(all))
	for i := range all {
		rows[i] = all[i].row()
	}
	return rows
}

// row has the values of the columns of pg_stat_replication.
func (r *ReplicationStat) row() []pgsql.Value {
	return []pgsql.Value{
		int64(r.PID), int64(r.UserSysID), r.UserName, r.ApplicationName, addrOrNull(r.ClientAddr),
		textOrNull(r.ClientHostname), int64(r.ClientPort), timeOrNull(r.BackendStart), xidOrNull(r.BackendXmin),
		r.State.String(), lsnOrNull(r.SentLSN), lsnOrNull(r.WriteLSN), lsnOrNull(r.FlushLSN), lsnOrNull(r.ReplayLSN),
		lagOrNull(r.WriteLag), lagOrNull(r.FlushLag), lagOrNull(r.ReplayLag), int64(r.SyncPriority), r.SyncState,
		timeOrNull(r.ReplyTime),
	}
}

func addrOrNull(a netip.Addr) pgsql.Value {
	if !a.IsValid() {
		return nil
	}
	return pgsql.InetValue(a)
}

func textOrNull(text string) pgsql.Value {
	if text == "" {
		return nil
	}
	return text
}

func timeOrNull(t time.Time) pgsql.Value {
	if t.IsZero() {
		return nil
	}
	return pgsql.TimeValue(t)
}

func xidOrNull(xid uint32) pgsql.Value {
	if xid == 0 {
		return nil
	}
	return int64(xid)
}

func lagOrNull(lag time.Duration) pgsql.Value {
	if lag < 0 {
		return nil
	}
	return pgsql.IntervalValue(lag)
}

// slotColumn is a column of pg_replication_slots, which has more of them in later versions.
type slotColumn struct {
	since  int // the major version
	column pgsql.Column
	value  func(*SlotStat) pgsql.Value
}

// null is the value of a column that is for logical slots.
func null(*SlotStat) pgsql.Value { return nil }

func never(*SlotStat) pgsql.Value { return pgsql.BoolValue(false) }

// slotColumns are all that there are in PostgreSQL 12 to 18, in their order.
var slotColumns = []slotColumn{
	{12, column("slot_name", pgsql.Name), func(s *SlotStat) pgsql.Value { return s.SlotName }},
	{12, column("plugin", pgsql.Name), null},
	{12, column("slot_type", pgsql.Text), func(*SlotStat) pgsql.Value { return "physical" }},
	{12, column("datoid", pgsql.OID), null},
	{12, column("database", pgsql.Name), null},
	{12, column("temporary", pgsql.Bool), func(s *SlotStat) pgsql.Value { return pgsql.BoolValue(s.Temporary) }},
	{12, column("active", pgsql.Bool), func(s *SlotStat) pgsql.Value { return pgsql.BoolValue(s.Active) }},
	{12, column("active_pid", pgsql.Int4), func(s *SlotStat) pgsql.Value { return xidOrNull(s.ActivePID) }},
	{12, column("xmin", pgsql.XID), func(s *SlotStat) pgsql.Value { return xidOrNull(s.Xmin) }},
	{12, column("catalog_xmin", pgsql.XID), func(s *SlotStat) pgsql.Value { return xidOrNull(s.CatalogXmin) }},
	{12, column("restart_lsn", pgsql.PGLSN), func(s *SlotStat) pgsql.Value { return lsnOrNull(s.RestartLSN) }},
	{12, column("confirmed_flush_lsn", pgsql.PGLSN), null},
	{13, column("wal_status", pgsql.Text), func(s *SlotStat) pgsql.Value { return textOrNull(string(s.WALStatus)) }},
	{13, column("safe_wal_size", pgsql.Int8), safeWALSize},
	{14, column("two_phase", pgsql.Bool), never},
	{18, column("two_phase_at", pgsql.PGLSN), null},
	{17, column("inactive_since", pgsql.TimestampTZ), func(s *SlotStat) pgsql.Value { return timeOrNull(s.InactiveSince) }},
	{16, column("conflicting", pgsql.Bool), null},
	{17, column("invalidation_reason", pgsql.Text), invalidationReason},
	{17, column("failover", pgsql.Bool), never},
	{17, column("synced", pgsql.Bool), never},
}

func safeWALSize(s *SlotStat) pgsql.Value {
	if s.SafeWALSize < 0 {
		return nil
	}
	return s.SafeWALSize
}

func invalidationReason(s *SlotStat) pgsql.Value {
	if s.Invalidated {
		return "wal_removed"
	}
	return nil
}

// slotsView is pg_replication_slots with the columns of the version that the server presents itself as.
func (s *Server) slotsView() *pgsql.Table {
	var picked []slotColumn
	var columns []pgsql.Column
	for _, column := range slotColumns {
		if major := s.dialect.Major(); major == 0 || column.since <= major {
			picked = append(picked, column)
			columns = append(columns, column.column)
		}
	}
	return madeTable("pg_replication_slots", columns, func() [][]pgsql.Value {
		var rows [][]pgsql.Value
		for _, slot := range s.SlotStats() {
			row := make([]pgsql.Value, len(picked))
			for i := range picked {
				row[i] = picked[i].value(&slot)
			}
			rows = append(rows, row)
		}
		return rows
	})
}

// controlSystem is the function pg_control_system. What the source does not say is NULL.
func (s *Server) controlSystem() *pgsql.Table {
	columns := []pgsql.Column{
		column("pg_control_version", pgsql.Int4), column("catalog_version_no", pgsql.Int4),
		column("system_identifier", pgsql.Int8), column("pg_control_last_modified", pgsql.TimestampTZ),
	}
	return madeTable("pg_control_system", columns, func() [][]pgsql.Value {
		id := s.cfg.Source.Identity()
		row := []pgsql.Value{nil, nil, int64(id.SystemID), nil}
		if id.Dialect != nil {
			row[0], row[1] = int64(id.Dialect.ControlVersion()), int64(id.Dialect.CatalogVersion())
		}
		return [][]pgsql.Value{row}
	})
}

// Position is that of the Source: what the positions in Replication and SlotStats are measured against.
func (s *Server) Position() Position { return s.cfg.Source.Position() }
