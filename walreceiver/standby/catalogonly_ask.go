// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
)

// What a primary is asked for the files of its catalogs. pg_relation_filenode knows the map of those that have no number in
// pg_class.
const (
	askLockers = `SELECT coalesce(virtualtransaction, '') || ' ' || coalesce(pid::text, 'prepared'),
		database, relation FROM pg_catalog.pg_locks
		WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted AND relation::oid < 16384`
	askDatabases = `SELECT oid, datname, dattablespace, datallowconn FROM pg_catalog.pg_database WHERE datconnlimit <> -2`
	askCatalogs  = `SELECT pg_catalog.pg_relation_filenode(oid), relname FROM pg_catalog.pg_class
		WHERE oid < 16384 AND reltablespace <> 1664 AND pg_catalog.pg_relation_filenode(oid) >= 16384`
)

// How long a snapshot waits for those who hold exclusive locks on catalogs, and how often it looks.
const (
	lockerPatience = 2 * time.Minute
	lockerLook     = 100 * time.Millisecond
)

// ask asks the primary which files are those of catalogs.
func (c *catalogFiles) ask(ctx context.Context) (func(name string) bool, error) {
	if err := c.askAll(ctx); err != nil {
		return nil, fmt.Errorf("the files of catalogs: %w", err)
	}
	return c.keep, nil
}

func (c *catalogFiles) askAll(ctx context.Context) error {
	conn, err := c.connectAny(ctx)
	if err != nil {
		return err
	}
	defer closeSQL(conn)
	if err := waitLockers(ctx, conn); err != nil {
		return err
	}
	rows, err := query(ctx, conn, askDatabases)
	if err != nil {
		return err
	}
	c.databases = map[uint32]*catalogDatabase{}
	for _, row := range rows {
		db := &catalogDatabase{name: row[1], connectable: row[3] == "t"}
		if db.oid, err = parseOID(row[0]); err == nil {
			db.tablespace, err = parseOID(row[2])
		}
		if err == nil {
			err = c.askDatabase(ctx, db)
		}
		if err != nil {
			return fmt.Errorf("database %s: %w", db.name, err)
		}
		c.databases[db.oid] = db
	}
	return nil
}

// connectAny connects to a database that everyone has.
func (c *catalogFiles) connectAny(ctx context.Context) (conn *pgconn.PgConn, err error) {
	for _, database := range []string{"postgres", "template1", ""} {
		if conn, err = walreceiver.ConnectDatabase(ctx, c.primary, database); err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("a mirror of catalogs needs SQL connections besides those for replication: %w", err)
}

// askDatabase asks for the rewritten catalogs of a database. One that nobody may connect to has none, or replay will find
// their files missing.
func (c *catalogFiles) askDatabase(ctx context.Context, db *catalogDatabase) error {
	db.rewritten = map[uint64]string{}
	if !db.connectable {
		return nil
	}
	conn, err := walreceiver.ConnectDatabase(ctx, c.primary, db.name)
	if refused, ok := errors.AsType[*protocol.Error](err); ok && refused.Code == "3D000" {
		return nil // dropped meanwhile
	}
	if err != nil {
		return err
	}
	defer closeSQL(conn)
	rows, err := query(ctx, conn, askCatalogs)
	for _, row := range rows {
		number, err := strconv.ParseUint(row[0], 10, 64)
		if err != nil {
			return err
		}
		db.rewritten[number] = row[1]
	}
	return err
}

// waitLockers waits until those have ended who hold an exclusive lock on a catalog now.
func waitLockers(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, lockerPatience)
	defer cancel()
	first, err := query(ctx, conn, askLockers)
	left := map[string]string{}
	for _, row := range first {
		left[strings.Join(row, " ")] = fmt.Sprintf("%s on relation %s of database %s", row[0], row[2], row[1])
	}
	for len(left) > 0 && err == nil {
		var still [][]string
		if still, err = query(ctx, conn, askLockers); err != nil {
			break
		}
		now := map[string]string{}
		for _, row := range still {
			if key := strings.Join(row, " "); left[key] != "" {
				now[key] = left[key]
			}
		}
		if left = now; len(left) > 0 && sleep(ctx, lockerLook) != nil {
			err = ctx.Err()
		}
	}
	for _, locker := range left {
		return fmt.Errorf("a catalog is locked exclusively, and may be being rewritten: %s: %w", locker, err)
	}
	return err
}

// query runs a statement and gives its rows as text.
func query(ctx context.Context, conn *pgconn.PgConn, sql string) (rows [][]string, err error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	for _, r := range results {
		for _, row := range r.Rows {
			texts := make([]string, len(row))
			for i, value := range row {
				texts[i] = string(value)
			}
			rows = append(rows, texts)
		}
	}
	return rows, err
}

func parseOID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err
}

// closeSQL ends a connection in order, if that takes no time.
func closeSQL(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
