// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// function is one that SQL can call. A NULL among the arguments makes NULL of it.
type function struct {
	args     []uint32 // types
	optional int      // how many of the last ones may be left out
	result   uint32   // type
	call     func(c *session, args []datum) (datum, error)
}

// lookup finds a function that takes n arguments.
func lookupFunction(name string, n int) *function {
	f := functions[name]
	if f == nil || n > len(f.args) || n < len(f.args)-f.optional {
		return nil
	}
	return f
}

// constant makes a function of what does not fail.
func constant(oid uint32, value func(c *session) datum) *function {
	return &function{result: oid, call: func(c *session, _ []datum) (datum, error) { return value(c), nil }}
}

// functions are those that clients of replication, and those who watch it, call.
var functions = map[string]*function{
	"pg_is_in_recovery":             constant(oidBool, func(c *session) datum { return c.position().InRecovery }),
	"pg_is_wal_replay_paused":       constant(oidBool, func(*session) datum { return false }),
	"pg_last_wal_receive_lsn":       constant(oidPGLSN, receiveLSN),
	"pg_last_wal_replay_lsn":        constant(oidPGLSN, func(c *session) datum { return lsnOrNull(c.position().Replay) }),
	"pg_last_xact_replay_timestamp": constant(oidTimestampTZ, func(*session) datum { return nil }),
	"pg_current_wal_lsn":            {result: oidPGLSN, call: currentLSN},
	"pg_current_wal_flush_lsn":      {result: oidPGLSN, call: currentLSN},
	"pg_current_wal_insert_lsn":     {result: oidPGLSN, call: currentLSN},
	"pg_wal_lsn_diff":               {args: []uint32{oidPGLSN, oidPGLSN}, result: oidNumeric, call: lsnDiff},
	"pg_backend_pid":                constant(oidInt4, func(c *session) datum { return int64(c.pid) }),
	"version":                       constant(oidText, func(c *session) datum { return c.server.versionText() }),
	"now":                           constant(oidTimestampTZ, now),
	"current_timestamp":             constant(oidTimestampTZ, now),
	"clock_timestamp":               constant(oidTimestampTZ, now),
	"current_user":                  constant(oidName, func(c *session) datum { return c.user }),
	"session_user":                  constant(oidName, func(c *session) datum { return c.user }),
	"user":                          constant(oidName, func(c *session) datum { return c.user }),
	"current_role":                  constant(oidName, func(c *session) datum { return c.user }),
	"current_database":              constant(oidName, func(c *session) datum { return c.database }),
	"current_catalog":               constant(oidName, func(c *session) datum { return c.database }),
	"current_schema":                constant(oidName, func(*session) datum { return "public" }),
	"current_setting":               {args: []uint32{oidText, oidBool}, optional: 1, result: oidText, call: currentSetting},
	"set_config":                    {args: []uint32{oidText, oidText, oidBool}, result: oidText, call: setConfig},
}

func (c *session) position() Position { return c.server.Position() }

func now(*session) datum { return time.Now() }

func lsnOrNull(lsn xlog.LSN) datum {
	if lsn == 0 {
		return nil
	}
	return lsn
}

// receiveLSN is NULL where the log is not received from anywhere.
func receiveLSN(c *session) datum {
	pos := c.position()
	if !pos.InRecovery {
		return nil
	}
	return lsnOrNull(pos.Flush)
}

// currentLSN is the end of the log where it is written.
func currentLSN(c *session, _ []datum) (datum, error) {
	pos := c.position()
	if pos.InRecovery {
		e := errorf(codeNotInPrerequisiteState, "recovery is in progress")
		e.Hint = "WAL control functions cannot be executed during recovery."
		return nil, e
	}
	return pos.Flush, nil
}

func lsnDiff(_ *session, args []datum) (datum, error) {
	return args[0].(xlog.LSN).Sub(args[1].(xlog.LSN)), nil
}

func currentSetting(c *session, args []datum) (datum, error) {
	name := args[0].(string)
	value, ok := c.setting(name)
	switch {
	case ok:
		return value, nil
	case len(args) == 2 && args[1].(bool):
		return nil, nil
	}
	return nil, unrecognizedSetting(name)
}

func unrecognizedSetting(name string) error {
	return errorf(codeUndefinedObject, "unrecognized configuration parameter %q", name)
}

func setConfig(c *session, args []datum) (datum, error) {
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
