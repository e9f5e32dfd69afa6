// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ConnString is how to reach the server, as keywords and values; extra ones, such as "dbname=d", win.
func (s *Server) ConnString(extra ...string) string {
	conn := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", s.Port)
	if s.opts.Password != "" {
		conn += " password='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s.opts.Password) + "'"
	}
	return strings.Join(append([]string{conn}, extra...), " ")
}

// Connect opens a connection, which the caller closes.
func (s *Server) Connect(ctx context.Context, extra ...string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.ConnString(extra...))
}

// Query runs SQL on a connection of its own to the database postgres and returns the rows as text, a NULL as "". Without
// arguments there may be several statements, and the rows are those of the last.
func (s *Server) Query(ctx context.Context, sql string, args ...any) ([][]string, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	if len(args) > 0 {
		return queryArgs(ctx, conn, sql, args)
	}
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	return textRows(results[len(results)-1]), nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

func queryArgs(ctx context.Context, conn *pgx.Conn, sql string, args []any) ([][]string, error) {
	rows, err := conn.Query(ctx, sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var text [][]string
	for rows.Next() {
		text = append(text, textRow(rows.RawValues()))
	}
	return text, rows.Err()
}

func textRows(r *pgconn.Result) [][]string {
	text := make([][]string, len(r.Rows))
	for i, row := range r.Rows {
		text[i] = textRow(row)
	}
	return text
}

func textRow(row [][]byte) []string {
	text := make([]string, len(row))
	for i, value := range row {
		text[i] = string(value)
	}
	return text
}
