// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestWithoutPacing looks at a listener, from which connections inherit.
func TestWithoutPacing(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	connect(t, s, "replication=true") // it accepts by now
	raw, err := s.cfg.Listeners[0].(*net.TCPListener).SyscallConn()
	require.NoError(t, err)
	var name string
	require.NoError(t, raw.Control(func(fd uintptr) {
		name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}))
	require.NoError(t, err)
	require.Equal(t, "reno", name)
}
