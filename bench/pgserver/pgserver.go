// SPDX-License-Identifier: Apache-2.0

// Package pgserver starts, crashes, restarts and promotes real PostgreSQL servers for tests and benchmarks.
//
// In a test:
//
//	func TestStream(t *testing.T) {
//		pgserver.EachMajor(t, func(t *testing.T, major int) {
//			primary := pgserver.Start(t, pgserver.Options{Major: major})
//			primary.SQL(t, "CREATE TABLE t AS SELECT generate_series(1, $1::int)", 1000)
//			connect(primary.ConnString("replication=true"))
//			require.NoError(t, primary.Kill())
//			require.NoError(t, primary.Start())
//		})
//	}
//
// In a program, New gives the same server and Close removes it.
//
// A server listens on a free port of 127.0.0.1 and, where the path is short enough, on a socket in SocketDir. Its user
// is postgres, its locale C, its data checksums on, and fsync off unless Options.Fsync. PostgreSQL refuses to run as
// root; root therefore runs it as the user postgres, and everything made for a server belongs to that user.
//
// # What is left behind
//
// Nothing: Close (in a test, its cleanup) kills what still runs, by process id, and removes the server's directory
//
//	TMPDIR/walmirror-pg-RANDOM/
//	    lock           flocked by the process that owns the server
//	    server.log     what the server said
//	    data/          DataDir, unless adopted
//	    sock/          SocketDir
//
// When the owner dies without cleaning up, the kernel tells its servers to quit, and the next process that starts a
// server removes directories whose lock is free.
//
// # Copies instead of initdb
//
// Where WALMIRROR_TEMPLATES names a directory, what initdb made there first is copied for every further server of the same
// version and options, with a system identifier of its own. Nothing is removed from it, and a new release of a major version
// needs a new one.
//
// # Which servers
//
// A major version N is looked for in $WALMIRROR_SERVERS/N/bin, /usr/lib/postgresql/N/bin (Debian) and
// /var/cache/walmirror/servers/N/bin, where .ci/install-servers puts them. A test that needs one which is absent is
// skipped; with WALMIRROR_REQUIRE_SERVERS=1 it fails.
package pgserver
