// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"reflect"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgconn asks a server for target_session_attrs with a query, which a physical walsender refuses ("cannot execute SQL
// commands in WAL sender for physical replication"). libpq works on such a connection because servers from 14 on
// report what it needs at startup, and older ones answer SHOW (PQconnectPoll in src/interfaces/libpq/fe-connect.c).
// This file does the same. pgconn keeps the wish only as a function, so that is what identifies it.

type sessionCheck func(ctx context.Context, c *pgconn.PgConn) error

// sessionChecks says, for each of pgconn's validators, what takes its place on a replication connection.
var sessionChecks = map[uintptr]sessionCheck{
	funcID(pgconn.ValidateConnectTargetSessionAttrsReadWrite): func(ctx context.Context, c *pgconn.PgConn) error {
		ro, err := readOnly(ctx, c)
		return refuseIf(ro, err, pgconn.ErrReadOnlyConnection)
	},
	funcID(pgconn.ValidateConnectTargetSessionAttrsReadOnly): func(ctx context.Context, c *pgconn.PgConn) error {
		ro, err := readOnly(ctx, c)
		return refuseIf(!ro, err, pgconn.ErrReadWriteConnection)
	},
	funcID(pgconn.ValidateConnectTargetSessionAttrsPrimary): func(ctx context.Context, c *pgconn.PgConn) error {
		rec, err := inRecovery(ctx, c)
		return refuseIf(rec, err, pgconn.ErrStandbyConnection)
	},
	funcID(pgconn.ValidateConnectTargetSessionAttrsStandby): requireStandby,
}

var preferStandby = funcID(pgconn.ValidateConnectTargetSessionAttrsPreferStandby)

func funcID(f pgconn.ValidateConnectFunc) uintptr { return reflect.ValueOf(f).Pointer() }

func requireStandby(ctx context.Context, c *pgconn.PgConn) error {
	rec, err := inRecovery(ctx, c)
	return refuseIf(!rec, err, pgconn.ErrPrimaryConnection)
}

func refuseIf(refused bool, err, reason error) error {
	if err != nil {
		return err
	}
	if refused {
		return reason
	}
	return nil
}

// dial connects to the first of cfg's hosts that is what target_session_attrs asks for.
func dial(ctx context.Context, cfg *pgconn.Config) (*pgconn.PgConn, error) {
	if cfg.ValidateConnect == nil {
		return pgconn.ConnectConfig(ctx, cfg)
	}
	cfg = cfg.Copy()
	wish := funcID(cfg.ValidateConnect)
	if wish == preferStandby {
		return dialPreferStandby(ctx, cfg)
	}
	check, ok := sessionChecks[wish]
	if !ok {
		return nil, errors.New("unknown target_session_attrs")
	}
	cfg.ValidateConnect = pgconn.ValidateConnectFunc(check)
	return pgconn.ConnectConfig(ctx, cfg)
}

func dialPreferStandby(ctx context.Context, cfg *pgconn.Config) (*pgconn.PgConn, error) {
	cfg.ValidateConnect = requireStandby
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	cfg.ValidateConnect = nil
	return pgconn.ConnectConfig(ctx, cfg)
}

func readOnly(ctx context.Context, c *pgconn.PgConn) (bool, error) {
	standby, def := c.ParameterStatus("in_hot_standby"), c.ParameterStatus("default_transaction_read_only")
	if standby != "" && def != "" {
		return standby == "on" || def == "on", nil
	}
	v, err := showOn(ctx, c, "transaction_read_only")
	return v, err
}

// inRecovery tells a standby from a primary. A server before 14 shows it only in that every transaction is read-only
// there; one whose default_transaction_read_only is on counts as a standby.
func inRecovery(ctx context.Context, c *pgconn.PgConn) (bool, error) {
	if v := c.ParameterStatus("in_hot_standby"); v != "" {
		return v == "on", nil
	}
	return showOn(ctx, c, "transaction_read_only")
}

func showOn(ctx context.Context, c *pgconn.PgConn, name string) (bool, error) {
	res, err := c.Exec(ctx, "SHOW "+name).ReadAll()
	if err != nil {
		return false, err
	}
	if len(res) != 1 || len(res[0].Rows) != 1 || len(res[0].Rows[0]) != 1 {
		return false, errors.New("unexpected answer to SHOW " + name)
	}
	return string(res[0].Rows[0][0]) == "on", nil
}
