// SPDX-License-Identifier: Apache-2.0

package xlog

import "strings"

// CatalogColumn is a column of a catalog as far as it must be known before anything can be read: its values are never
// null and have a fixed length.
type CatalogColumn struct {
	Name  string
	Type  uint32 // OID in pg_type
	Len   int16  // bytes
	Align byte   // 'c', 's' or 'i': 1, 2 or 4 bytes
}

// catalogTypes are the types of such columns (src/include/catalog/pg_type.dat).
var catalogTypes = map[string]CatalogColumn{
	"bool":   {Type: 16, Len: 1, Align: 'c'},
	"char":   {Type: 18, Len: 1, Align: 'c'},
	"name":   {Type: 19, Len: 64, Align: 'c'},
	"int2":   {Type: 21, Len: 2, Align: 's'},
	"int4":   {Type: 23, Len: 4, Align: 'i'},
	"oid":    {Type: 26, Len: 4, Align: 'i'},
	"xid":    {Type: 28, Len: 4, Align: 'i'},
	"float4": {Type: 700, Len: 4, Align: 'i'},
}

// catalogColumns reads a list of columns, each a name and a type.
func catalogColumns(list string) []CatalogColumn {
	words := strings.Fields(list)
	columns := make([]CatalogColumn, 0, len(words)/2)
	for i := 0; i+1 < len(words); i += 2 {
		c := catalogTypes[words[i+1]]
		c.Name = words[i]
		columns = append(columns, c)
	}
	return columns
}

// The first columns of the catalogs that say where everything else is and what it looks like, as the headers in
// src/include/catalog have them. Columns further back differ more, and are found in pg_attribute.
var (
	classColumns12 = catalogColumns(`oid oid relname name relnamespace oid reltype oid reloftype oid relowner oid relam oid
		relfilenode oid reltablespace oid relpages int4 reltuples float4 relallvisible int4 reltoastrelid oid
		relhasindex bool relisshared bool relpersistence char relkind char relnatts int2`)
	classColumns18 = catalogColumns(`oid oid relname name relnamespace oid reltype oid reloftype oid relowner oid relam oid
		relfilenode oid reltablespace oid relpages int4 reltuples float4 relallvisible int4 relallfrozen int4
		reltoastrelid oid relhasindex bool relisshared bool relpersistence char relkind char relnatts int2`)

	attributeColumns12 = catalogColumns(`attrelid oid attname name atttypid oid attstattarget int4 attlen int2 attnum int2
		attndims int4 attcacheoff int4 atttypmod int4 attbyval bool attstorage char attalign char attnotnull bool
		atthasdef bool atthasmissing bool attidentity char attgenerated char attisdropped bool`)
	attributeColumns14 = catalogColumns(`attrelid oid attname name atttypid oid attstattarget int4 attlen int2 attnum int2
		attndims int4 attcacheoff int4 atttypmod int4 attbyval bool attalign char attstorage char attcompression char
		attnotnull bool atthasdef bool atthasmissing bool attidentity char attgenerated char attisdropped bool`)
	attributeColumns16 = catalogColumns(`attrelid oid attname name atttypid oid attlen int2 attnum int2 attcacheoff int4
		atttypmod int4 attndims int2 attbyval bool attalign char attstorage char attcompression char attnotnull bool
		atthasdef bool atthasmissing bool attidentity char attgenerated char attisdropped bool`)
	attributeColumns18 = catalogColumns(`attrelid oid attname name atttypid oid attlen int2 attnum int2 atttypmod int4
		attndims int2 attbyval bool attalign char attstorage char attcompression char attnotnull bool atthasdef bool
		atthasmissing bool attidentity char attgenerated char attisdropped bool`)

	databaseColumns12 = catalogColumns(`oid oid datname name datdba oid encoding int4 datcollate name datctype name
		datistemplate bool datallowconn bool datconnlimit int4 datlastsysoid oid datfrozenxid xid datminmxid xid
		dattablespace oid`)
	databaseColumns15 = catalogColumns(`oid oid datname name datdba oid encoding int4 datlocprovider char
		datistemplate bool datallowconn bool datconnlimit int4 datfrozenxid xid datminmxid xid dattablespace oid`)
	databaseColumns17 = catalogColumns(`oid oid datname name datdba oid encoding int4 datlocprovider char
		datistemplate bool datallowconn bool dathasloginevt bool datconnlimit int4 datfrozenxid xid datminmxid xid
		dattablespace oid`)
)

// ClassColumns are the first columns of pg_class. The caller does not change them.
func (d *Dialect) ClassColumns() []CatalogColumn {
	if d.base >= 18 {
		return classColumns18
	}
	return classColumns12
}

// AttributeColumns are the first columns of pg_attribute. The caller does not change them.
func (d *Dialect) AttributeColumns() []CatalogColumn {
	switch {
	case d.base >= 18:
		return attributeColumns18
	case d.base >= 16:
		return attributeColumns16
	case d.base >= 14:
		return attributeColumns14
	}
	return attributeColumns12
}

// DatabaseColumns are the first columns of pg_database. The caller does not change them.
func (d *Dialect) DatabaseColumns() []CatalogColumn {
	switch {
	case d.base >= 17:
		return databaseColumns17
	case d.base >= 15:
		return databaseColumns15
	}
	return databaseColumns12
}

// VarlenaNetworkOrder tells whether the headers of values of variable length have their length in network byte order, as
// Greenplum and Cloudberry have always had it (src/include/postgres.h there), and a pointer to a TOAST table two bytes of
// padding and a kind of its own.
func (d *Dialect) VarlenaNetworkOrder() bool { return d.isGreenplum() }
