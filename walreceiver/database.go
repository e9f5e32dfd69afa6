// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ConnectDatabase opens an ordinary connection, for SQL, to a database of the server that a connection string for
// replication names; an empty database is the one that the string names. It reads the string as Connect does.
func ConnectDatabase(ctx context.Context, connString, database string) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrConnInfo, parseFailure(err, connString))
	}
	if err := applyLibpqOptions(cfg); err != nil {
		return nil, err
	}
	delete(cfg.RuntimeParams, "replication")
	if database != "" {
		cfg.Database = database
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = DefaultConnectTimeout
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(err)
	}
	return conn, nil
}
