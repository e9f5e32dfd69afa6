// SPDX-License-Identifier: Apache-2.0

package catalog

import "github.com/walmirror/walmirror/xlog"

// OIDs that never change (src/include/catalog/pg_class.dat and the catalogs' headers).
const (
	typeRelation      = 1247
	attributeRelation = 1249
	classRelation     = 1259
	databaseRelation  = 1262
	namespaceRelation = 2615
	indexRelation     = 2610

	catalogNamespace = 11 // pg_catalog
	heapAM           = 2  // of tables; before access methods had OIDs: 0

	defaultTablespace = 1663
	globalTablespace  = 1664

	firstNormalObject = 16384 // FirstNormalObjectId: what is not made by initdb
)

// bootstrapColumns makes the first columns of a catalog from what the dialect knows of them.
func bootstrapColumns(known []xlog.CatalogColumn) []Column {
	columns := make([]Column, len(known))
	for i, k := range known {
		columns[i] = Column{
			Name: k.Name, Num: int16(i + 1), Typmod: -1, NotNull: true,
			Type: TypeInfo{OID: k.Type, Len: k.Len, ByVal: k.Len <= 8, Align: k.Align, Storage: 'p'},
		}
	}
	return columns
}

// bootstrap is one of the catalogs by which all others are found.
func (db *DB) bootstrap(oid uint32, name string, known []xlog.CatalogColumn) (*Relation, error) {
	number, err := db.mapped(oid)
	if err != nil {
		return nil, err
	}
	loc := xlog.RelFileLocator{Tablespace: db.Tablespace, Database: db.OID, RelNumber: number}
	return &Relation{
		RelationInfo: RelationInfo{
			OID: oid, Name: name, Namespace: catalogNamespace, Kind: KindTable, AccessMethod: heapAM, Locator: loc,
		},
		cat: db.cat, db: db, columns: bootstrapColumns(known),
	}, nil
}
