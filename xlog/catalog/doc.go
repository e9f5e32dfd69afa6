// SPDX-License-Identifier: Apache-2.0

// Package catalog reads the catalogs in a data directory, and any other table that is stored as a heap: of a directory
// at rest, and of one in which redo is at work, between two records.
//
//	c, err := catalog.OpenDir(vfs.OS, "/srv/data")            // or catalog.New(r.Store(), r.Transactions()) in Redo.View
//	db, err := c.Database("postgres")
//	rel, err := db.Relation("pg_class")                       // or RelationIn(schema, name), RelationByOID(oid)
//	err = rel.Scan(func(row *catalog.Row) error {
//		name, null, err := row.Text(rel.Column("relname"))    // as PostgreSQL prints it; Value has the bytes
//		...
//	})
//	classes, err := catalog.Rows[catalog.ClassRow](db)        // as structs
//
// # How it finds its way
//
//	global/pg_filenode.map      the file of pg_database, of which the dialect knows the first columns
//	pg_database                 each database: its OID, its tablespace
//	base/OID/pg_filenode.map    the files of pg_class and pg_attribute, of which the dialect knows the first columns
//	pg_class                    every other relation's file
//	pg_attribute                the columns of all, also the further ones of those three
//
// # What is visible
//
// What a transaction sees that begins at this instant: between two records pg_xact tells of every transaction whether it
// is over. Nothing is locked and nothing is written.
//
// # Ownership
//
// A Catalog and all that comes from it belong to one goroutine, and end with View. A Row is valid during the call that it
// was given to; see Row.Clone. Whatever the bytes are, nothing panics, and no memory is taken by a length that was read
// and not checked: what makes no sense is an ErrValue, a damaged page an ErrPage of package bufpage.
package catalog
