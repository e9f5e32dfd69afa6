// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package walsender

import "net"

func withoutPacing(net.Listener) {}
