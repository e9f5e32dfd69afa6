// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"fmt"
)

// loadObjects reads a catalog of things with names, and finds out which of them are found by their name alone
// (src/backend/catalog/namespace.c).
func (n *names) loadObjects(catalog uint32) (map[uint32]*Object, error) {
	switch catalog {
	case catalogFunctions:
		return n.loadFunctions()
	case catalogOperators:
		return n.loadOperators()
	case catalogRelations:
		return n.loadNamed("pg_class", "rel", true)
	case catalogCollations:
		return n.loadNamed("pg_collation", "coll", true)
	case catalogTSDicts:
		return n.loadNamed("pg_ts_dict", "dict", true)
	case catalogTSConfigs:
		return n.loadNamed("pg_ts_config", "cfg", true)
	case catalogRoles:
		return n.loadNamed("pg_authid", "rol", false)
	case catalogSchemas:
		return n.loadNamed("pg_namespace", "nsp", false)
	}
	return nil, fmt.Errorf("%w: catalog %d has no names", ErrNoRelation, catalog)
}

// loadNamed reads a catalog whose columns' names begin with a prefix. Without schemas everything is found by its name.
func (n *names) loadNamed(catalog, prefix string, schemas bool) (map[uint32]*Object, error) {
	objects, seen := map[uint32]*Object{}, visibility{}
	err := n.each(catalog, func(row *Row) error {
		o := &Object{Name: row.name(prefix + "name"), Visible: !schemas}
		objects[row.uint32("oid")] = o
		if !schemas {
			return nil
		}
		o.Schema = n.schema(row.uint32(prefix + "namespace"))
		if catalog != "pg_collation" || n.encodes(row) {
			seen.add(o.Name, o.Schema, row.uint32("oid"))
		}
		return nil
	})
	for oid, o := range objects {
		o.Visible = o.Visible || seen.visible(o.Name, oid)
	}
	return objects, err
}

// encodes tells whether a collation is one of the database's encoding, or of any.
func (n *names) encodes(row *Row) bool {
	encoding := int32(row.uint32("collencoding"))
	return encoding == -1 || encoding == n.db.Encoding
}

func (n *names) loadFunctions() (map[uint32]*Object, error) {
	objects, seen, sources := map[uint32]*Object{}, overloads{}, map[uint32]string{}
	err := n.each("pg_proc", func(row *Row) error {
		args, err := row.Value(row.rel.Column("proargtypes"))
		if err != nil {
			return err
		}
		o := &Object{Name: row.name("proname"), Schema: n.schema(row.uint32("pronamespace"))}
		if o.Args, err = oidVector(args); err != nil {
			return err
		}
		oid := row.uint32("oid")
		objects[oid] = o
		seen.add(o, oid)
		if row.uint32("prolang") == languageInternal {
			source, err := row.Value(row.rel.Column("prosrc"))
			if err != nil {
				return err
			}
			sources[oid] = string(source)
		}
		return nil
	})
	seen.mark(objects)
	n.sources = sources
	return objects, err
}

// languageInternal is INTERNALlanguageId.
const languageInternal = 12

// oidVector is an oidvector's elements.
func oidVector(raw []byte) ([]uint32, error) {
	a, err := decodeArray(raw)
	if err != nil {
		return nil, err
	}
	oids := make([]uint32, 0, len(a.data[a.offset:])/4)
	for rest := a.data[a.offset:]; len(rest) >= 4; rest = rest[4:] {
		oids = append(oids, u32(rest))
	}
	return oids, nil
}

func (n *names) loadOperators() (map[uint32]*Object, error) {
	objects, seen := map[uint32]*Object{}, overloads{}
	err := n.each("pg_operator", func(row *Row) error {
		o := &Object{
			Name: row.name("oprname"), Schema: n.schema(row.uint32("oprnamespace")),
			Args: []uint32{row.uint32("oprleft"), row.uint32("oprright")},
		}
		objects[row.uint32("oid")] = o
		seen.add(o, row.uint32("oid"))
		return nil
	})
	seen.mark(objects)
	return objects, err
}

// visibility has, by name, what is found first in the search path.
type visibility map[string]first

type first struct {
	position int
	oid      uint32
}

func (v visibility) add(name, schema string, oid uint32) {
	at := position(schema)
	if at < 0 {
		return
	}
	if f, ok := v[name]; !ok || at < f.position {
		v[name] = first{at, oid}
	}
}

func (v visibility) visible(name string, oid uint32) bool {
	f, ok := v[name]
	return ok && f.oid == oid
}

// overloads has, by name and then by the types of the arguments, what is found first in the search path.
type overloads map[string]visibility

func signature(args []uint32) string {
	b := make([]byte, 0, 4*len(args))
	for _, arg := range args {
		b = binary.LittleEndian.AppendUint32(b, arg)
	}
	return string(b)
}

func (v overloads) add(o *Object, oid uint32) {
	if position(o.Schema) < 0 {
		return
	}
	if v[o.Name] == nil {
		v[o.Name] = visibility{}
	}
	v[o.Name].add(signature(o.Args), o.Schema, oid)
}

// mark notes in each object how it is found.
func (v overloads) mark(objects map[uint32]*Object) {
	for oid, o := range objects {
		o.Visible = v[o.Name].visible(signature(o.Args), oid)
		o.Alone = o.Visible && len(v[o.Name]) == 1
	}
}
