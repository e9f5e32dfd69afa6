// SPDX-License-Identifier: Apache-2.0

// Package pgdata reads and writes the files by which a PostgreSQL data directory says what it is and what is to
// happen to it: the control file, the configuration, backup_label and tablespace_map, the signal files, and
// postmaster.pid.
//
//	dir, err := pgdata.Open(vfs.OS, "/srv/standby")
//	if err != nil {
//		return err // errors.Is: ErrIncomplete, ErrNotDataDir, ErrControlCorrupt, ErrControlUnsupported
//	}
//	lock, err := dir.Lock(5432) // postgres and pg_ctl now see a server at work here
//	if err != nil {
//		return err // errors.Is: vfs.ErrLocked
//	}
//	defer lock.Close()
//	fmt.Print(dir.Control.Describe(time.Local)) // what pg_controldata prints
//	err = pgdata.SetAutoConf(vfs.OS, dir.Path, pgdata.Setting{Name: "primary_slot_name", Value: "s"})
//
// # The control file
//
// global/pg_control is a C struct, with a CRC-32C after it and zeros up to 8192 bytes. Its fields keep their order in
// all versions; each is aligned to its size; a version has some that others have not:
//
//	0        8     12    16    20    24     32       40            40+n
//	+--------+-----+-----+-----+-----+------+--------+-------------+---- ... ----+------------+-----+
//	| system | pg_ | cat.| sta-| pad | time | check- | CheckPoint, | ...         | nonce, 32  | CRC |
//	| ident. | ctl | ver | te  |     |      | Point  | n bytes     |             | bytes      |     |
//	+--------+-----+-----+-----+-----+------+--------+-------------+---- ... ----+------------+-----+
//
//	                          n    CRC at   fields of its own
//	PostgreSQL 12             88   288      float4ByVal
//	PostgreSQL 13 to 16       88   288
//	PostgreSQL 17             88   288      CheckPoint.wal_level, in a gap
//	PostgreSQL 18             88   292      the same, and default_char_signedness
//	Greenplum 7               96   296      nextGxid, nextRelfilenode (32 bits), float4ByVal
//	Greenplum 7, 302012031    88   288      nextRelfilenode (32 bits), float4ByVal
//	Cloudberry                104  304      nextGxid, nextRelfilenode (64 bits)
//
// # Pages
//
// A Store is the relations' pages, for the redo of the log. It has a cache of a fixed size, outside of Go's heap:
//
//	store, err := pgdata.NewStore(dir, pgdata.StoreConfig{Budget: 512 << 20, BeforeWrite: raiseMinRecoveryPoint})
//	...
//	store.Begin() // of a record: the Buffers from before are not used any more
//	buf, err := store.Find(rel, xlog.MainFork, 7) // nil: there is no such block
//	buf.Page.SetLSN(lsn)
//	buf.MarkDirty()
//	...
//	err = store.Flush() // now all of it would survive a power cut
//
// Of a fork it knows what it should be (exists, blocks) and what its files are (on disk, blocks, how many of those are
// still valid). Creating, extending, cutting and dropping change the first; the second follows when a page leaves the
// cache for another, and at Flush:
//
//	blocks     0 . . . . . . . valid . . . . . . . . blocks
//	in cache   the page        the page
//	not there  in the file     zeros
//
// A file is brought into shape before its pages are written: unlinked if it was dropped, cut to its valid blocks,
// made. Pages are written in the order of their blocks, those that follow each other at once. Before anything shows in
// a file BeforeWrite makes sure that a new recovery would go at least as far.
//
// # Transactions
//
// Transactions is what the directory tells about transactions. Pages of it are kept in memory, 64 of each kind, and are
// written when another needs their place, and at Flush:
//
//	state, err := pgdata.OpenTransactions(pgdata.TransactionsConfig{Dir: dir, NextXID: next, BeforeWrite: ...})
//	...
//	err = state.Commits.Set(xid, pgdata.XactCommitted)
//	...
//	err = state.Flush(redo) // durable; prepared transactions whose record is before redo have a file now
//
//	pg_xact                Commits      2 bits a transaction
//	pg_multixact           MultiXacts   4 bytes a multixact; 20 bytes for 4 members
//	pg_commit_ts           CommitTimes  10 bytes a transaction
//	pg_distributedlog      Distributed  8 bytes a transaction; a Greenplum segment's, which nobody fills here
//	pg_twophase            Prepared     a file for each
//	replorigin_checkpoint  Origins      16 bytes each, in pg_logical
//
// Each of the first four is a directory of files of 32 pages, whose names are their numbers in hexadecimal digits.
//
// # Ownership and durability
//
// Nothing that is returned shares memory with an argument. Functions that change a file return when the change would
// survive a power cut. Nothing here runs a goroutine. A DataDir and a ControlFile are plain values: whoever
// shares one sees to it that nobody changes it.
//
// A server does all this as the owner of the data directory, and so should the program; see Lock.
package pgdata
