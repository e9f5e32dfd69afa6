// SPDX-License-Identifier: Apache-2.0

// Package syncrep lets commits wait for standbys: synchronous replication as syncrep.c of PostgreSQL has it, and
// Greenplum's rule for the standby of a coordinator.
//
//	sync, err := syncrep.New(syncrep.Config{Names: "FIRST 1 (a, b)"})
//	server, err := walsender.New(walsender.Config{Sync: sync, ...})
//	...
//	err = sync.Wait(ctx, commitEnd, syncrep.Flush) // returns when a, or b while a is away, has flushed it
//
// Senders tell about their standbys with Update and Remove; a walsender.Server does. After each such news the positions
// up to which enough standbys have written, flushed and applied the log are computed, and whoever waits for less is let
// go:
//
//	FIRST n (a, b, c)   the least position of the n connected members that come first in the list
//	ANY n (a, b, c)     the nth greatest position of all connected members
//
// Only standbys that stream count, and that have told a flush position. With fewer than n of them nobody is let go.
//
// Everything is safe for concurrent use; nothing here starts a goroutine, and the clock is not looked at.
package syncrep
