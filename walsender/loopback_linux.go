// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"net"

	"golang.org/x/sys/unix"
)

// withoutPacing gives a listener on a loopback address the congestion control that every kernel has and that waits for
// acknowledgements only. Where the system's is BBR, connections are paced by timers, which over the loopback costs more
// than all the rest of sending, at both ends. Connections inherit it from their listener: on a connection it is too late,
// for once BBR has begun pacing stays. Of listeners that a network can reach the system's choice remains.
func withoutPacing(l net.Listener) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return
	}
	if addr, ok := tcp.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno") // refused: it is slower
	})
}
