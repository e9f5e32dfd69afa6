// SPDX-License-Identifier: Apache-2.0

// Package changes tells which rows of the catalogs each transaction has inserted, updated and deleted, in the order
// of the commits: a feed of definitions, without triggers, publications or logical decoding on the primary.
//
//	feed := changes.New(r, changes.Config{Emit: func(tx *changes.Transaction) { ... }})  // r is a *redo.Redo
//	r.Observe(feed)
//	_, err := r.Replay(ctx, redo.ReplayConfig{})
//
// A feed watches the records that redo applies. Of a transaction in progress it remembers nothing but which blocks
// of catalogs it has written. Before the commit is applied it reads these blocks: tuples whose xmin or xmax is one
// of the transaction are the rows as they become, and as they were. So a transaction is known in whole that was
// prepared, or had begun before the feed did (then all blocks are read), what subtransactions have undone is no
// change, and neither is the rewriting of a catalog by VACUUM FULL. The values are text, the old ones as they were
// before the commit and the new ones as after it.
//
// A row that is overwritten in place (heap_inplace_update in src/backend/access/heap/heapam.c: pg_class.relpages,
// reltuples, relhasindex, pg_database.datfrozenxid) changes at once and whatever becomes of the transaction: it is
// reported by itself, when that happens.
//
// The rows that a new database begins with, and those that go with a dropped one, are not reported one by one; the
// row of pg_database is.
package changes
