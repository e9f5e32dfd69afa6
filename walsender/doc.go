// SPDX-License-Identifier: Apache-2.0

// Package walsender serves PostgreSQL's physical replication: standbys, pg_receivewal and pg_basebackup attach to it as
// they do to a PostgreSQL server of the version whose log it holds.
//
//	source, err := walsender.NewDirSource(...)          // or a Source of one's own
//	listener, err := net.Listen("tcp", "0.0.0.0:5432")
//	hba, err := walsender.LoadHBA("pg_hba.conf", walsender.HBAOptions{})
//	users, err := walsender.LoadUsers("users")          // SCRAM-SHA-256$4096:...
//	server, err := walsender.New(walsender.Config{
//		Source: source, Listeners: []net.Listener{listener}, HBA: hba, Users: users,
//	})
//	err = server.Run(ctx) // until ctx ends and everybody has everything
//
// # A connection
//
// One goroutine owns a connection. It passes through these steps:
//
//	accepted        one deadline, StartupTimeout, for all up to the login; a buffer of 4 KiB
//	SSLRequest      'S' and TLS, or 'N'; a connection may also begin with TLS
//	GSSENCRequest   'N'
//	startup packet  protocol 3.0, or 3.2 where the version has it; settings
//	login           the first host rule that fits: trust, reject, scram-sha-256, cert
//	commands        replication commands; SQL, which reads catalogs and statistics (package pgsql)
//
// A client that breaks the protocol, and one on which the server panics, loses its connection; others notice nothing.
// What a client is told is what PostgreSQL would tell it, with the same SQLSTATE and the same words.
//
// # The end
//
// Run ends as PostgreSQL does when its context ends: sessions that wait for a command, and base backups, are ended; those
// that stream send what there is and end when their client has flushed it, for StopTimeout at most. StopFast does not
// wait for that.
//
// # Errors and events
//
// New refuses a configuration that has no sense. Errors of the rules and the users wrap ErrConfig. Whatever befalls a
// session is reported to it and to Config.OnEvent; the package logs nothing. No event has a password or a verifier in it.
package walsender
