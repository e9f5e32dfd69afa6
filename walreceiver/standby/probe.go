// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// probePrimary returns an ErrPrimaryAlive when a server that may be the primary of system id answers at conninfo. A
// server that answers and does not let us in may be; one of another cluster is not.
func probePrimary(ctx context.Context, conninfo string, id uint64, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := walreceiver.Connect(ctx, conninfo, walreceiver.ConnectOptions{
		ApplicationName: "walmirror_activate", Timeout: timeout,
	})
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%w: it says %q; stop it first, or force the activation if it is not the primary any more",
			ErrPrimaryAlive, e.Message)
	}
	if errors.Is(err, walreceiver.ErrConnInfo) {
		return err
	}
	if err != nil {
		return nil // nobody answers
	}
	defer conn.Close()
	sys, err := conn.IdentifySystem(ctx)
	if err == nil && sys.SystemID != id {
		return nil
	}
	return fmt.Errorf("%w at %s port %d; stop it first, or force the activation", ErrPrimaryAlive,
		conn.Server().Host, conn.Server().Port)
}

// cannotConnectNow is the SQLSTATE of a server that starts, stops or recovers.
const cannotConnectNow = "57P03"

// accepts tells whether the postmaster takes connections. As for pg_isready, a refused login is an answer.
func accepts(ctx context.Context, pid *pgdata.PIDFile) bool {
	host := pid.SocketDir
	if host == "" {
		if host, _, _ = strings.Cut(pid.ListenAddr, ","); host == "*" || host == "" {
			host = "localhost"
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	cfg, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d user=walmirror dbname=template1 sslmode=disable",
		quoteConninfo(host), pid.Port))
	if err != nil {
		return false
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err == nil {
		_ = conn.Close(ctx)
		return true
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code != cannotConnectNow
	}
	var network *net.OpError
	return !errors.As(err, &network) && ctx.Err() == nil
}
