// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// still is a source whose log does not move and has no bytes.
type still struct {
	id  Identity
	pos Position
}

func (s *still) Identity() Identity                          { return s.id }
func (s *still) Position() Position                          { return s.pos }
func (s *still) Changed() <-chan struct{}                    { return nil }
func (s *still) ReadHistory(xlog.TimelineID) ([]byte, error) { return nil, fs.ErrNotExist }
func (s *still) OpenSegment(xlog.TimelineID, xlog.SegmentNumber) (Segment, error) {
	return nil, fs.ErrNotExist
}

func newStill(version int) *still {
	return &still{
		id:  Identity{SystemID: 7654321098765432109, SegmentSize: 16 << 20, ServerVersion: version},
		pos: Position{Timeline: 3, Flush: 0x12345678, InRecovery: true},
	}
}

// serve runs a server on a port of the loopback until the test ends.
func serve(t *testing.T, cfg Config) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg.Listeners = append(cfg.Listeners, l)
	if cfg.Source == nil {
		cfg.Source = newStill(150018)
	}
	if cfg.OnEvent == nil {
		cfg.OnEvent = func(e Event) {
			if e.Kind == EventPanic {
				t.Errorf("%v\n%s", e.Err, e.Text)
			}
		}
	}
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.StopFast()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(time.Minute):
			t.Error("the server does not end")
		}
	})
	return s
}

// connString is how to reach a server.
func connString(s *Server, extra string) string {
	a := s.Addr().(*net.TCPAddr)
	return fmt.Sprintf("host=127.0.0.1 port=%d user=u dbname=d sslmode=disable connect_timeout=20 %s", a.Port, extra)
}

func connect(t *testing.T, s *Server, extra string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), connString(s, extra))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func query(t *testing.T, conn *pgconn.PgConn, text string) *pgconn.Result {
	t.Helper()
	results, err := conn.Exec(t.Context(), text).ReadAll()
	require.NoError(t, err)
	require.Len(t, results, 1)
	return results[0]
}

func TestIdentifySystem(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	r := query(t, connect(t, s, "replication=true"), "IDENTIFY_SYSTEM")
	require.Equal(t, [][][]byte{{[]byte("7654321098765432109"), []byte("3"), []byte("0/12345678"), nil}}, r.Rows)
	require.Equal(t, "IDENTIFY_SYSTEM", r.CommandTag.String())
	r = query(t, connect(t, s, "replication=database"), "IDENTIFY_SYSTEM")
	require.Equal(t, "d", string(r.Rows[0][3]))
}
