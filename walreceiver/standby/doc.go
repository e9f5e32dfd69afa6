// SPDX-License-Identifier: Apache-2.0

// Package standby makes and keeps a mirror of a coordinator: a data directory that follows a running PostgreSQL,
// Greenplum or Cloudberry server and can take its place.
//
//	Init      a snapshot of the running server, with every change made meanwhile
//	Standby   streams the log into the snapshot's pg_wal, for ever
//	ReadStatus  what the standby knows about itself, from any process
//	Activate  the standby becomes the coordinator, or a primary at rest; Standby.Activate in the process that runs it, which
//	          goes on serving those who follow it
//
// The directory is a PostgreSQL data directory at every instant: standby.signal, primary_conninfo and
// primary_slot_name stand where a stock postgres looks for them, pg_wal holds the log under PostgreSQL's own names.
// While a Standby runs it holds postmaster.pid, so that no postmaster starts on the same directory.
package standby
