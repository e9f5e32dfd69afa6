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
//
// With InitConfig.CatalogOnly it is a mirror of the catalogs alone: the files of other relations are received and never
// written, their records are passed over (package redo, catalogonly.go), tablespaces are directories in pg_tblspc. It can
// be followed and read like any other; it cannot be activated, or copied by a base backup. Its PG_VERSION does not begin
// with a number, which is what every server reads first, so that none starts there by mistake (pgdata.MarkCatalogOnly).
package standby
