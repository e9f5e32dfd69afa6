// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/walsender"
)

// TestHandler reads the page while a client is there and has made a slot.
func TestHandler(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	source := walsender.NewMemSource(walsender.Identity{SystemID: 1, SegmentSize: 1 << 20, ServerVersion: 150000}, 3, 0x700000)
	source.Append(make([]byte, 1000))
	s, err := walsender.New(walsender.Config{Source: source, Listeners: []net.Listener{l}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	conn, err := pgconn.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=u sslmode=disable replication=true"+
		" application_name=watched", l.Addr().(*net.TCPAddr).Port))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE_REPLICATION_SLOT one TEMPORARY PHYSICAL RESERVE_WAL").ReadAll()
	require.NoError(t, err)

	page := httptest.NewRecorder()
	Handler(s).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, 200, page.Code)
	for _, want := range []string{
		"walmirror_source_flush_bytes 7.341032e+06", "walmirror_source_timeline 3", "walmirror_source_in_recovery 0",
		`walmirror_sender_info{application_name="watched",client_addr="127.0.0.1",pid="1",slot="",state="startup",` +
			`sync_state="async"} 1`,
		`walmirror_slot_retained_bytes{slot_name="one"} `, `walmirror_slot_invalidated{slot_name="one"} 0`,
	} {
		require.Contains(t, page.Body.String(), want)
	}
	require.NoError(t, conn.Close(t.Context()))
	cancel()
	require.NoError(t, <-ended)
}
