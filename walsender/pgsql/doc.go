// SPDX-License-Identifier: Apache-2.0

// Package pgsql answers queries in PostgreSQL's SQL over relations that Go code hands it: catalogs, and views of statistics.
//
//	p, err := pgsql.NewParser(text, false)
//	q, err := p.Query()
//	st, err := pgsql.Analyze(ctx, env, q, paramTypes) // st.Columns, st.Params
//	rows, err := st.Run(ctx, args)
//
// The parser knows SELECT with joins, subqueries, grouping, set operations, WITH, VALUES. The analyzer gives everything
// PostgreSQL's types and names (parse_analyze in analyze.c, as far as it goes) and translates it to the SQL of SQLite, which
// plans and runs it:
//
//	SELECT relname FROM pg_class WHERE relname LIKE 'pg%' ORDER BY 1
//	SELECT r1.c0 AS c0 FROM pgrows(0) AS r1 WHERE pg(0,r1.c0,'pg%') ORDER BY c0 ASC NULLS LAST
//
// pgrows is a virtual table over rows in Go's memory; pg calls the Go function of that number: operators and functions of
// PostgreSQL of which SQLite has none, or another one. Text is compared by its bytes, as with collation C.
//
// # What a client cannot do
//
// Nothing that a client writes reaches SQLite but as a literal in a translated query. An instance of SQLite has no file and
// no table, may read and do nothing else (its authorizer), has no extensions to load, and a limit of memory. A statement has
// a limit of memory for what it reads and returns (Environment.Memory), and ends with its context. How many run at a time is
// the Engine's.
//
// # Consistency
//
// All relations of catalogs that a statement reads, those by which it prints names too, are read by one call of
// Catalogs.Read, before SQLite begins.
//
// # Errors
//
// What a client is to blame for is a *protocol.Error with PostgreSQL's SQLSTATE, words and position. What this package does
// not do is refused with 0A000.
package pgsql
