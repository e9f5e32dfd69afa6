// SPDX-License-Identifier: Apache-2.0

package protocoltest_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/walmirror/walmirror/protocol/protocoltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	return protocoltest.Serve(t, func(s *protocoltest.Session) { io.Copy(s.Conn, s.Conn) })
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

func roundTrip(t *testing.T, conn net.Conn, sent string) string {
	t.Helper()
	_, err := io.WriteString(conn, sent)
	require.NoError(t, err)
	got := make([]byte, len(sent))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	return string(got)
}

func TestProxyModes(t *testing.T) {
	t.Parallel()
	p := protocoltest.NewProxy(t, echo(t))
	conn := connect(t, p.Addr())
	require.Equal(t, "pass", roundTrip(t, conn, "pass"))
	p.SetMode(protocoltest.Mode{FlipAt: 3})
	require.Equal(t, "abbdef", roundTrip(t, conn, "abcdef"))
	require.Equal(t, "abcdef", roundTrip(t, conn, "abcdef"), "only once")
	p.SetMode(protocoltest.Mode{})
	p.SetUpMode(protocoltest.Mode{FlipAt: 1})
	require.Equal(t, "`bcdef", roundTrip(t, conn, "abcdef"))
	p.SetUpMode(protocoltest.Mode{})

	p.SetMode(protocoltest.Mode{OneByte: true})
	require.Equal(t, "slow", roundTrip(t, conn, "slow"))
	p.SetMode(protocoltest.Mode{Delay: 30 * time.Millisecond})
	begin := time.Now()
	require.Equal(t, "later", roundTrip(t, conn, "later"))
	require.GreaterOrEqual(t, time.Since(begin), 25*time.Millisecond)

	p.SetMode(protocoltest.Mode{Stall: true})
	_, err := io.WriteString(conn, "held")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	p.SetMode(protocoltest.Mode{})
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	got := make([]byte, 4)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, "held", string(got))
}

func TestProxyCuts(t *testing.T) {
	t.Parallel()
	p := protocoltest.NewProxy(t, echo(t))
	p.SetMode(protocoltest.Mode{CutAfter: 5})
	for range 2 {
		conn := connect(t, p.Addr())
		_, err := io.WriteString(conn, "abcdefgh")
		require.NoError(t, err)
		got, _ := io.ReadAll(conn) // the end may be an end or a reset
		require.LessOrEqual(t, len(got), 5)
		require.True(t, bytes.HasPrefix([]byte("abcde"), got))
	}
	p.SetMode(protocoltest.Mode{})
	conn := connect(t, p.Addr())
	require.Equal(t, "x", roundTrip(t, conn, "x"))
	require.NotZero(t, p.CutAll())
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, 3, p.Accepted())

	p.Refuse(true)
	_, err = connect(t, p.Addr()).Read(make([]byte, 1))
	require.Error(t, err)
	p.Refuse(false)
	p.SetTarget(echo(t))
	require.Equal(t, "x", roundTrip(t, connect(t, p.Addr()), "x"))
	require.Equal(t, p.Addr(), net.JoinHostPort(p.Host(), itoa(p.Port())))
}

func itoa(n int) string {
	_, port, _ := net.SplitHostPort((&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: n}).String())
	return port
}

func TestProxyPassesTheEndOn(t *testing.T) {
	t.Parallel()
	p := protocoltest.NewProxy(t, echo(t))
	conn := connect(t, p.Addr())
	_, err := io.WriteString(conn, "last words")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "last words", string(got))
}

func TestTamperedConnHasDeadlines(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer b.Close()
	c := protocoltest.Tamper(a, protocoltest.Mode{Stall: true})
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetDeadline(time.Time{}))
	done := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	require.NoError(t, c.Close())
	require.Error(t, <-done)
	n, err := c.Read(nil)
	require.Zero(t, n)
	require.NoError(t, err)
}
