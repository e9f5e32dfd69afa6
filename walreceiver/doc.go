// SPDX-License-Identifier: Apache-2.0

// Package walreceiver is the client of PostgreSQL's and Greenplum's physical streaming replication: it connects to a
// primary (or to a standby that cascades), receives the write-ahead log into a [Sink], and tells the primary how far
// the log is written, durable and applied. It does the work of PostgreSQL's walreceiver process
// (src/backend/replication/walreceiver.c) and of pg_receivewal (src/bin/pg_basebackup/receivelog.c).
//
//	dir, err := waldir.Open(waldir.Config{Path: "/archive", SegmentSize: xlog.DefaultSegmentSize, Partial: true})
//	...
//	r, err := walreceiver.New(walreceiver.Config{
//		ConnString: "host=db1 user=replicator",
//		Slot:       "archive",
//		Sink:       dir,
//	})
//	...
//	err = r.Run(ctx) // until ctx is cancelled; reconnects for ever
//
// # Promises
//
// The flush position that the primary hears is only ever what [Sink.Sync] returned. The apply position is only ever
// what Config.Applied returned, and 0/0 without it. Neither goes back on one timeline. A reply is sent at once when the
// primary asks or when the flush position has moved, half a millisecond after a write whose sync takes longer, and at an
// interval otherwise, also while the sink is slow.
//
// # Goroutines
//
//	reader    one per connection: socket -> verify -> Sink.Write; the only one that reads the socket
//	flusher   one per Run: Sink.Sync as soon as bytes wait and the socket is drained (group commit)
//	replier   one per stream: status messages at their interval; the other two send theirs through it
//
// Bytes given to the sink are valid during the call only. The package keeps no queue of log: what is not yet
// written is in the socket, so memory does not grow with the backlog.
//
// # Errors
//
// Run handles a lost connection by itself. What an operator must see stays in [Status] and comes as an [Event]:
//
//	condition                                        error                  what Run does
//	connection refused, cut, or server restarts      of the network         connects again, goes on where it was
//	server shuts down in order                       ErrServerShutdown      the same; everything was confirmed before
//	                                                 (package protocol)
//	silence for ReceiveTimeout                       ErrTimeout             the same, after asking at half of it
//	received log is not valid (Config.Verify)        ErrCorrupt             receives the segment again
//	server on an older timeline, or before us        ErrServerBehind        tries again
//	password, user or pg_hba.conf                    ErrAuth                tries again; permanent
//	slot is missing                                  ErrSlotNotFound        tries again; permanent
//	slot is logical or was invalidated               ErrSlotUnusable        tries again; permanent
//	segment was removed                              ErrWALRemoved          tries again; permanent
//	another cluster, another segment size            ErrSystemIdentifier,   tries again; permanent
//	                                                 ErrSegmentSize
//	our log is not in the server's history           ErrDiverged            tries again; permanent
//	disk full, fsync failed                          ErrSink                ends
//
// A permanent condition (see [Permanent]) is one that somebody has to put right; Config.Fatal may end Run there. While
// Run tries again the state is [StateReconnecting].
package walreceiver
