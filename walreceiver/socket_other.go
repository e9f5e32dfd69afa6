// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package walreceiver

import (
	"errors"
	"net"
	"os"
)

// unpolled takes a connection out of the runtime's poller where that is worth it, which is shown for Linux only.
func unpolled(conn net.Conn) (net.Conn, error) { return conn, nil }

func canSplice(net.Conn) bool { return false }

func splice(net.Conn, *os.File, int64, int) (int, error) { return 0, errors.ErrUnsupported }
