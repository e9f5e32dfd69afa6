// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"net/netip"
	"time"

	"github.com/walmirror/walmirror/protocol"
)

// relation is what SELECT reads from: a view or a function.
type relation struct {
	columns []protocol.Column
	rows    func() ([][]datum, error)
	scalar  bool // a function of one value: its column has the name of the relation
}

// relation finds one by its name, nil when there is none.
func (c *session) relation(name string) *relation {
	s := c.server
	switch name {
	case "pg_stat_replication":
		return &relation{columns: replicationColumns, rows: func() ([][]datum, error) {
			return replicationRows(s.Replication()), nil
		}}
	case "gp_stat_replication":
		return &relation{columns: gpReplicationColumns, rows: func() ([][]datum, error) {
			return gpReplicationRows(s.Replication()), nil
		}}
	case "pg_replication_slots":
		return s.slotsView()
	case "pg_control_system":
		return s.controlSystem()
	}
	return c.scalar(name)
}

// scalar is a function without arguments as a relation.
func (c *session) scalar(name string) *relation {
	f := lookupFunction(name, 0)
	if f == nil {
		return nil
	}
	rows := func() ([][]datum, error) {
		d, err := f.call(c, nil)
		return [][]datum{{d}}, err
	}
	return &relation{columns: []protocol.Column{{Name: name, TypeOID: f.result}}, rows: rows, scalar: true}
}

// replicationColumns are those of pg_stat_replication (system_views.sql), the same from PostgreSQL 12 to 18.
var replicationColumns = []protocol.Column{
	{Name: "pid", TypeOID: oidInt4}, {Name: "usesysid", TypeOID: oidOID}, {Name: "usename", TypeOID: oidName},
	{Name: "application_name", TypeOID: oidText}, {Name: "client_addr", TypeOID: oidInet},
	{Name: "client_hostname", TypeOID: oidText}, {Name: "client_port", TypeOID: oidInt4},
	{Name: "backend_start", TypeOID: oidTimestampTZ}, {Name: "backend_xmin", TypeOID: oidXID},
	{Name: "state", TypeOID: oidText}, {Name: "sent_lsn", TypeOID: oidPGLSN}, {Name: "write_lsn", TypeOID: oidPGLSN},
	{Name: "flush_lsn", TypeOID: oidPGLSN}, {Name: "replay_lsn", TypeOID: oidPGLSN},
	{Name: "write_lag", TypeOID: oidInterval}, {Name: "flush_lag", TypeOID: oidInterval},
	{Name: "replay_lag", TypeOID: oidInterval}, {Name: "sync_priority", TypeOID: oidInt4},
	{Name: "sync_state", TypeOID: oidText}, {Name: "reply_time", TypeOID: oidTimestampTZ},
}

func replicationRows(all []ReplicationStat) [][]datum {
	rows := make([][]datum, len(all))
	for i := range all {
		rows[i] = all[i].row()
	}
	return rows
}

// row has the values of the columns of pg_stat_replication.
func (r *ReplicationStat) row() []datum {
	return []datum{
		int64(r.PID), int64(r.UserSysID), r.UserName, r.ApplicationName, addrOrNull(r.ClientAddr),
		textOrNull(r.ClientHostname), int64(r.ClientPort), timeOrNull(r.BackendStart), xidOrNull(r.BackendXmin),
		r.State.String(), lsnOrNull(r.SentLSN), lsnOrNull(r.WriteLSN), lsnOrNull(r.FlushLSN), lsnOrNull(r.ReplayLSN),
		lagOrNull(r.WriteLag), lagOrNull(r.FlushLag), lagOrNull(r.ReplayLag), int64(r.SyncPriority), r.SyncState,
		timeOrNull(r.ReplyTime),
	}
}

func addrOrNull(a netip.Addr) datum {
	if !a.IsValid() {
		return nil
	}
	return a
}

func textOrNull(text string) datum {
	if text == "" {
		return nil
	}
	return text
}

func timeOrNull(t time.Time) datum {
	if t.IsZero() {
		return nil
	}
	return t
}

func xidOrNull(xid uint32) datum {
	if xid == 0 {
		return nil
	}
	return int64(xid)
}

func lagOrNull(lag time.Duration) datum {
	if lag < 0 {
		return nil
	}
	return lag
}

// slotColumn is a column of pg_replication_slots, which has more of them in later versions.
type slotColumn struct {
	since  int // the major version
	column protocol.Column
	value  func(*SlotStat) datum
}

// null is the value of a column that is for logical slots.
func null(*SlotStat) datum { return nil }

func never(*SlotStat) datum { return false }

// slotColumns are all that there are in PostgreSQL 12 to 18, in their order.
var slotColumns = []slotColumn{
	{12, protocol.Column{Name: "slot_name", TypeOID: oidName}, func(s *SlotStat) datum { return s.SlotName }},
	{12, protocol.Column{Name: "plugin", TypeOID: oidName}, null},
	{12, protocol.Column{Name: "slot_type", TypeOID: oidText}, func(*SlotStat) datum { return "physical" }},
	{12, protocol.Column{Name: "datoid", TypeOID: oidOID}, null},
	{12, protocol.Column{Name: "database", TypeOID: oidName}, null},
	{12, protocol.Column{Name: "temporary", TypeOID: oidBool}, func(s *SlotStat) datum { return s.Temporary }},
	{12, protocol.Column{Name: "active", TypeOID: oidBool}, func(s *SlotStat) datum { return s.Active }},
	{12, protocol.Column{Name: "active_pid", TypeOID: oidInt4}, func(s *SlotStat) datum { return xidOrNull(s.ActivePID) }},
	{12, protocol.Column{Name: "xmin", TypeOID: oidXID}, func(s *SlotStat) datum { return xidOrNull(s.Xmin) }},
	{12, protocol.Column{Name: "catalog_xmin", TypeOID: oidXID}, func(s *SlotStat) datum { return xidOrNull(s.CatalogXmin) }},
	{12, protocol.Column{Name: "restart_lsn", TypeOID: oidPGLSN}, func(s *SlotStat) datum { return lsnOrNull(s.RestartLSN) }},
	{12, protocol.Column{Name: "confirmed_flush_lsn", TypeOID: oidPGLSN}, null},
	{13, protocol.Column{Name: "wal_status", TypeOID: oidText}, func(s *SlotStat) datum { return textOrNull(string(s.WALStatus)) }},
	{13, protocol.Column{Name: "safe_wal_size", TypeOID: oidInt8}, safeWALSize},
	{14, protocol.Column{Name: "two_phase", TypeOID: oidBool}, never},
	{18, protocol.Column{Name: "two_phase_at", TypeOID: oidPGLSN}, null},
	{17, protocol.Column{Name: "inactive_since", TypeOID: oidTimestampTZ}, func(s *SlotStat) datum { return timeOrNull(s.InactiveSince) }},
	{16, protocol.Column{Name: "conflicting", TypeOID: oidBool}, null},
	{17, protocol.Column{Name: "invalidation_reason", TypeOID: oidText}, invalidationReason},
	{17, protocol.Column{Name: "failover", TypeOID: oidBool}, never},
	{17, protocol.Column{Name: "synced", TypeOID: oidBool}, never},
}

func safeWALSize(s *SlotStat) datum {
	if s.SafeWALSize < 0 {
		return nil
	}
	return s.SafeWALSize
}

func invalidationReason(s *SlotStat) datum {
	if s.Invalidated {
		return "wal_removed"
	}
	return nil
}

// slotsView is pg_replication_slots with the columns of the version that the server presents itself as.
func (s *Server) slotsView() *relation {
	var picked []slotColumn
	rel := &relation{}
	for _, column := range slotColumns {
		if major := s.dialect.Major(); major == 0 || column.since <= major {
			picked = append(picked, column)
			rel.columns = append(rel.columns, column.column)
		}
	}
	rel.rows = func() ([][]datum, error) {
		var rows [][]datum
		for _, slot := range s.SlotStats() {
			row := make([]datum, len(picked))
			for i := range picked {
				row[i] = picked[i].value(&slot)
			}
			rows = append(rows, row)
		}
		return rows, nil
	}
	return rel
}

// controlSystem is the function pg_control_system. What the source does not say is NULL.
func (s *Server) controlSystem() *relation {
	columns := []protocol.Column{
		{Name: "pg_control_version", TypeOID: oidInt4}, {Name: "catalog_version_no", TypeOID: oidInt4},
		{Name: "system_identifier", TypeOID: oidInt8}, {Name: "pg_control_last_modified", TypeOID: oidTimestampTZ},
	}
	return &relation{columns: columns, rows: func() ([][]datum, error) {
		id := s.cfg.Source.Identity()
		row := []datum{nil, nil, int64(id.SystemID), nil}
		if id.Dialect != nil {
			row[0], row[1] = int64(id.Dialect.ControlVersion()), int64(id.Dialect.CatalogVersion())
		}
		return [][]datum{row}, nil
	}}
}

// Position is that of the Source: what the positions in Replication and SlotStats are measured against.
func (s *Server) Position() Position { return s.cfg.Source.Position() }
