// SPDX-License-Identifier: Apache-2.0

package catalog

import "errors"

// searchPath is what a server looks through for a name without schema, where nothing else is set and no schema has the
// name of the user: the catalogs come first.
var searchPath = [...]string{"pg_catalog", "public"}

// names answers an Output out of a database's catalogs. Each is read once, when something in it is asked for.
type names struct {
	db      *DB
	types   map[uint32]*Type
	enums   map[uint32]string
	ranges  map[uint32]uint32
	objects map[uint32]map[uint32]*Object // by catalog
	sources map[uint32]string             // prosrc of the functions of the language internal
}

func newNames(db *DB) *names { return &names{db: db, objects: map[uint32]map[uint32]*Object{}} }

// each calls fn for every row of a catalog. One that this version does not have has none.
func (n *names) each(catalog string, fn func(row *Row) error) error {
	r, err := n.db.Relation("pg_catalog." + catalog)
	if errors.Is(err, ErrNoRelation) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.Scan(fn)
}

// position is where in the search path a schema stands, -1 when it does not.
func position(schema string) int {
	for i, s := range searchPath {
		if s == schema {
			return i
		}
	}
	return -1
}

// schema is the name of a schema, "" when there is none.
func (n *names) schema(oid uint32) string { return n.db.namespaces[oid] }

// Type implements Names.
func (n *names) Type(oid uint32) (*Type, error) {
	if n.types == nil {
		if err := n.loadTypes(); err != nil {
			return nil, err
		}
	}
	return n.types[oid], nil
}

func (n *names) loadTypes() error {
	types, seen := map[uint32]*Type{}, visibility{}
	err := n.each("pg_type", func(row *Row) error {
		t := &Type{
			TypeInfo: TypeInfo{
				OID: row.uint32("oid"), Len: int16(row.uint16("typlen")), ByVal: row.bool("typbyval"),
				Align: row.byte("typalign"), Storage: row.byte("typstorage"),
				NetworkOrder: n.db.cat.dialect.VarlenaNetworkOrder(),
			},
			Name: row.name("typname"), Schema: n.schema(row.uint32("typnamespace")), Delimiter: row.byte("typdelim"),
			Relation: row.uint32("typrelid"), Element: row.uint32("typelem"), OutputFunc: row.uint32("typoutput"),
			ModifierFunc: row.uint32("typmodout"),
		}
		types[t.OID] = t
		seen.add(t.Name, t.Schema, t.OID)
		return nil
	})
	if err != nil {
		return err
	}
	for oid, t := range types {
		t.Visible = seen.visible(t.Name, oid)
	}
	n.types = types
	return nil
}

// Fields implements Names.
func (n *names) Fields(relation uint32) ([]TypeInfo, []bool, error) {
	r, err := n.db.RelationByOID(relation)
	if err != nil {
		return nil, nil, err
	}
	fields, dropped := make([]TypeInfo, len(r.columns)), make([]bool, len(r.columns))
	for i := range r.columns {
		fields[i], dropped[i] = r.columns[i].Type, r.columns[i].Dropped
	}
	return fields, dropped, nil
}

// EnumLabel implements Names.
func (n *names) EnumLabel(oid uint32) (string, bool, error) {
	if n.enums == nil {
		enums := map[uint32]string{}
		err := n.each("pg_enum", func(row *Row) error {
			enums[row.uint32("oid")] = row.name("enumlabel")
			return nil
		})
		if err != nil {
			return "", false, err
		}
		n.enums = enums
	}
	label, ok := n.enums[oid]
	return label, ok, nil
}

// Subtype implements Names.
func (n *names) Subtype(rangeType uint32) (uint32, bool, error) {
	if n.ranges == nil {
		ranges := map[uint32]uint32{}
		err := n.each("pg_range", func(row *Row) error {
			ranges[row.uint32("rngtypid")] = row.uint32("rngsubtype")
			if row.rel.Column("rngmultitypid") >= 0 {
				ranges[row.uint32("rngmultitypid")] = row.uint32("rngsubtype")
			}
			return nil
		})
		if err != nil {
			return 0, false, err
		}
		n.ranges = ranges
	}
	oid, ok := n.ranges[rangeType]
	return oid, ok, nil
}

// Internal implements Names.
func (n *names) Internal(function uint32) (string, bool, error) {
	if _, err := n.Object(catalogFunctions, function); err != nil {
		return "", false, err
	}
	name, ok := n.sources[function]
	return name, ok, nil
}

// Object implements Names.
func (n *names) Object(catalog, oid uint32) (*Object, error) {
	objects := n.objects[catalog]
	if objects == nil {
		var err error
		if objects, err = n.loadObjects(catalog); err != nil {
			return nil, err
		}
		n.objects[catalog] = objects
	}
	return objects[oid], nil
}
