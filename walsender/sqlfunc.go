// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"strings"
	"time"

	"github.com/walmirror/walmirror/walsender/pgsql"
	"github.com/walmirror/walmirror/xlog"
)

// environment is what the session's queries see.
func (c *session) environment() *pgsql.Environment {
	if c.env == nil {
		s := c.server
		c.env = &pgsql.Environment{
			Major: s.dialect.Major(), Flavour: s.dialect.Flavour, Table: c.table, Functions: c.functions(),
			Catalogs: c.catalogs(), Memory: s.cfg.QueryMemory, Engine: s.engine,
		}
	}
	return c.env
}

// functions are those that clients of replication, and those who watch it, call.
func (c *session) functions() map[string]*pgsql.Function {
	value := func(oid uint32, get func() pgsql.Value) *pgsql.Function {
		return &pgsql.Function{Result: oid, Call: func([]pgsql.Value) (pgsql.Value, error) { return get(), nil }}
	}
	name := func(get func() string) *pgsql.Function {
		return value(pgsql.Name, func() pgsql.Value { return get() })
	}
	user := name(func() string { return c.user })
	database := name(func() string { return c.database })
	currentLSN := &pgsql.Function{Result: pgsql.PGLSN, Call: c.currentLSN}
	clock, moment := value(pgsql.TimestampTZ, now), value(pgsql.TimestampTZ, now)
	clock.Volatile = true
	return map[string]*pgsql.Function{
		"pg_is_in_recovery":             value(pgsql.Bool, func() pgsql.Value { return pgsql.BoolValue(c.position().InRecovery) }),
		"pg_is_wal_replay_paused":       value(pgsql.Bool, func() pgsql.Value { return pgsql.BoolValue(false) }),
		"pg_last_wal_receive_lsn":       value(pgsql.PGLSN, c.receiveLSN),
		"pg_last_wal_replay_lsn":        value(pgsql.PGLSN, func() pgsql.Value { return lsnOrNull(c.position().Replay) }),
		"pg_last_xact_replay_timestamp": value(pgsql.TimestampTZ, func() pgsql.Value { return timeOrNull(c.position().LastXact) }),
		"pg_current_wal_lsn":            currentLSN,
		"pg_current_wal_flush_lsn":      currentLSN,
		"pg_current_wal_insert_lsn":     currentLSN,
		"pg_wal_lsn_diff":               {Args: []uint32{pgsql.PGLSN, pgsql.PGLSN}, Result: pgsql.Numeric, Call: pgsql.LSNDifference},
		"pg_backend_pid":                value(pgsql.Int4, func() pgsql.Value { return int64(c.pid) }),
		"pg_postmaster_start_time":      value(pgsql.TimestampTZ, func() pgsql.Value { return pgsql.TimeValue(c.server.started) }),
		"version":                       value(pgsql.Text, func() pgsql.Value { return c.server.versionText() }),
		"now":                           moment,
		"current_timestamp":             moment,
		"transaction_timestamp":         moment,
		"statement_timestamp":           moment,
		"clock_timestamp":               clock,
		"current_user":                  user,
		"session_user":                  user,
		"user":                          user,
		"current_role":                  user,
		"current_database":              database,
		"current_catalog":               database,
		"current_schema":                name(func() string { return "public" }),
		"current_setting": {
			Args: []uint32{pgsql.Text, pgsql.Bool}, Optional: 1, Result: pgsql.Text, Volatile: true, Call: c.currentSetting,
		},
		"set_config": {
			Args: []uint32{pgsql.Text, pgsql.Text, pgsql.Bool}, Result: pgsql.Text, Volatile: true, Call: c.setConfig,
		},
	}
}

func (c *session) position() Position { return c.server.Position() }

func now() pgsql.Value { return pgsql.TimeValue(time.Now()) }

func lsnOrNull(lsn xlog.LSN) pgsql.Value {
	if lsn == 0 {
		return nil
	}
	return pgsql.LSNValue(lsn)
}

// receiveLSN is NULL where the log is not received from anywhere.
func (c *session) receiveLSN() pgsql.Value {
	pos := c.position()
	if !pos.InRecovery {
		return nil
	}
	return lsnOrNull(pos.Flush)
}

// currentLSN is the end of the log where it is written.
func (c *session) currentLSN([]pgsql.Value) (pgsql.Value, error) {
	pos := c.position()
	if pos.InRecovery {
		e := errorf(codeNotInPrerequisiteState, "recovery is in progress")
		e.Hint = "WAL control functions cannot be executed during recovery."
		return nil, e
	}
	return pgsql.LSNValue(pos.Flush), nil
}

func (c *session) currentSetting(args []pgsql.Value) (pgsql.Value, error) {
	name := args[0].(string)
	value, ok := c.setting(name)
	switch {
	case ok:
		return value, nil
	case len(args) == 2 && args[1] == pgsql.BoolValue(true):
		return nil, nil
	}
	return nil, unrecognizedSetting(name)
}

func unrecognizedSetting(name string) error {
	return errorf(codeUndefinedObject, "unrecognized configuration parameter %q", name)
}

func (c *session) setConfig(args []pgsql.Value) (pgsql.Value, error) {
	name, value := args[0].(string), args[1].(string)
	if err := c.setLater(name, value); err != nil {
		return nil, err
	}
	value, _ = c.setting(name)
	return value, nil
}

// versionText is what version() says; clients find the kind of server in it.
func (s *Server) versionText() string {
	id := s.cfg.Source.Identity()
	var of strings.Builder
	fmt.Fprintf(&of, "PostgreSQL %s", serverVersionText(id))
	switch id.Flavour {
	case xlog.Greenplum:
		fmt.Fprintf(&of, " (Greenplum Database %s)", id.FlavourVersion)
	case xlog.Cloudberry:
		fmt.Fprintf(&of, " (Cloudberry Database %s)", id.FlavourVersion)
	}
	return of.String() + " (walmirror)"
}
