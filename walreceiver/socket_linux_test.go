// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// socketPair is two ends of a connection, both of them sockets.
func socketPair(network, addr string) (a, b net.Conn, err error) {
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if b, err = l.Accept(); err != nil {
		return nil, nil, err
	}
	if a, err = unpolled(a); err != nil {
		return nil, nil, err
	}
	b, err = unpolled(b)
	return a, b, err
}

// TestSocket holds the socket against what the Go project asks of every net.Conn.
func TestSocket(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				addr := "127.0.0.1:0"
				if network == "unix" {
					addr = filepath.Join(t.TempDir(), "s")
				}
				a, b, err = socketPair(network, addr)
				if err != nil {
					return nil, nil, nil, err
				}
				require.IsType(t, &socket{}, a)
				return a, b, func() {
					_ = a.Close()
					_ = b.Close()
				}, nil
			})
		})
	}
}

// TestSocketEnd: what was sent before the other end closed is read, and then io.EOF.
func TestSocketEnd(t *testing.T) {
	a, b, err := socketPair("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer a.Close()
	_, err = b.Write([]byte("last words"))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	got, err := io.ReadAll(a)
	require.NoError(t, err)
	require.Equal(t, "last words", string(got))
	require.ErrorIs(t, b.Close(), net.ErrClosed)
}

// TestSocketCost: a message costs no allocation, and a connection leaves no descriptor behind.
func TestSocketCost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the runtime's poller has descriptors too
	require.NoError(t, err)
	require.NoError(t, l.Close())
	before := descriptors(t)
	a, b, err := socketPair("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	buf := make([]byte, 100)
	allocs := testing.AllocsPerRun(1000, func() {
		_ = a.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := b.Write(buf); err != nil {
			t.Error(err)
		}
		if _, err := a.Read(buf); err != nil {
			t.Error(err)
		}
	})
	require.Zero(t, allocs)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
	require.Equal(t, before, descriptors(t))
}

func descriptors(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
