// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package pgdata

func mapMemory(n int) ([]byte, error) { return make([]byte, n), nil }

func unmapMemory([]byte) error { return nil }
