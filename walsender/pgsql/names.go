// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog/pgtext"
)

// names finds the names of OIDs, and OIDs by their names, in catalogs that are read for a statement (regproc.c). Names of
// what is in pg_catalog or public are printed without the schema.
type names struct{ lookups map[string]*lookup }

// lookup is a catalog that a statement reads to find things by their OIDs. Rows have the OID first, then the columns that
// were asked for.
type lookup struct {
	use       *tableUse
	positions []int
}

// namedCatalog says where the names of a type are.
type namedCatalog struct {
	catalog string
	columns []string // the OID, the name, the schema
}

var namedCatalogs = map[uint32]namedCatalog{
	RegProc:       {"pg_proc", []string{"oid", "proname", "pronamespace"}},
	RegClass:      {"pg_class", []string{"oid", "relname", "relnamespace"}},
	RegRole:       {"pg_authid", []string{"oid", "rolname"}},
	RegType:       {"pg_type", []string{"oid", "typname", "typnamespace", "typelem", "typarray"}},
	RegNamespace:  {"pg_namespace", []string{"oid", "nspname"}},
	RegCollation:  {"pg_collation", []string{"oid", "collname", "collnamespace"}},
	RegConfig:     {"pg_ts_config", []string{"oid", "cfgname", "cfgnamespace"}},
	RegDictionary: {"pg_ts_dict", []string{"oid", "dictname", "dictnamespace"}},
}

// lookup makes the statement read some columns of a catalog.
func (a *analyzer) lookup(catalog string, columns ...string) (*lookup, error) {
	t, err := a.lookupTable("pg_catalog", catalog)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, errorf(codeUndefinedTable, "relation %q does not exist", catalog)
	}
	l := &lookup{use: a.use(t)}
	for _, name := range columns {
		found := -1
		for i, c := range t.Columns {
			if c.Name == name {
				found = i
			}
		}
		if found < 0 {
			return nil, errorf(codeUndefinedColumn, "column %s.%s does not exist", catalog, name)
		}
		l.positions = append(l.positions, l.use.position(found))
	}
	return l, nil
}

// needNames makes the statement read what it needs to print OIDs of a type as names.
func (a *analyzer) needNames(oid uint32) error {
	if a.st.names == nil {
		a.st.names = &names{lookups: map[string]*lookup{}}
	}
	c, ok := namedCatalogs[oid]
	if !ok { // printed with the types of arguments
		return errorf(codeUnsupported, "names of type %s are not supported by this server", TypeName(oid))
	}
	return a.needCatalogs(c, namedCatalogs[RegNamespace])
}

func (a *analyzer) needCatalogs(all ...namedCatalog) error {
	for _, c := range all {
		if a.st.names.lookups[c.catalog] != nil {
			continue
		}
		l, err := a.lookup(c.catalog, c.columns...)
		if err != nil {
			return err
		}
		a.st.names.lookups[c.catalog] = l
	}
	return nil
}

// nameText is the name of what an OID stands for.
func (a *analyzer) nameText(t typed, oid uint32) (typed, error) {
	from := t.oid
	if err := a.needNames(from); err != nil {
		return t, err
	}
	call := func(x *execution, args []Value) (Value, error) { return x.name(args[0].(int64), from), nil }
	return a.goCall(oid, boundCall{key: fmt.Sprintf("name %d", from), call: call}, t), nil
}

// lookupName is the OID of what has a name.
func (a *analyzer) lookupName(t typed, oid uint32) (typed, error) {
	if err := a.needNames(oid); err != nil {
		return t, err
	}
	pos, p := -1, a.p
	if t.lit != nil {
		pos = t.lit.pos
	}
	call := func(x *execution, args []Value) (Value, error) {
		v, err := x.oidOf(args[0].(string), oid)
		if err != nil && pos >= 0 {
			return nil, p.At(pos, err)
		}
		if err != nil {
			return nil, err
		}
		return v, nil
	}
	return a.goCall(oid, boundCall{key: fmt.Sprintf("lookup %d %d", oid, pos), call: call}, t), nil
}

// name is what an OID is printed as.
func (x *execution) name(oid int64, typ uint32) string {
	if oid == 0 {
		return "-"
	}
	if typ == RegType {
		return x.formatType(oid, -1)
	}
	row := x.row(x.lookup(namedCatalogs[typ].catalog), oid)
	if row == nil {
		return strconv.FormatInt(oid, 10)
	}
	name := x.quoteIdent(row[1].(string))
	if len(row) < 3 {
		return name
	}
	schema := x.schema(row[2])
	hidden := typ == RegProc && x.sameName(row[1].(string)) > 1
	if !hidden && x.visible(namedCatalogs[typ].catalog, row) {
		return name
	}
	return x.quoteIdent(schema) + "." + name
}

// visible says whether what a row is about can be named without its schema: it is in pg_catalog, or in public and nothing of
// that name is in pg_catalog.
func (x *execution) visible(catalog string, row []Value) bool {
	switch x.schema(row[2]) {
	case "pg_catalog":
		return true
	case "public":
	default:
		return false
	}
	l := x.lookup(catalog)
	for _, i := range x.find(l.use.number, l.positions[1], row[1]) {
		other := l.pick(x.tables[l.use.number][i])
		if x.schema(other[2]) == "pg_catalog" {
			return false
		}
	}
	return true
}

func (x *execution) schema(oid Value) string {
	id, _ := oid.(int64)
	row := x.row(x.lookup("pg_namespace"), id)
	if row == nil {
		return ""
	}
	return row[1].(string)
}

// sameName is how many functions of pg_catalog and public have a name.
func (x *execution) sameName(name string) int {
	if x.functionNames == nil {
		x.functionNames = map[string]int{}
		for _, row := range x.rows(x.lookup("pg_proc")) {
			if schema := x.schema(row[2]); schema == "pg_catalog" || schema == "public" {
				x.functionNames[row[1].(string)]++
			}
		}
	}
	return x.functionNames[name]
}

// oidOf finds what has a name, which may have a schema before it.
func (x *execution) oidOf(text string, typ uint32) (Value, *protocol.Error) {
	if v, ok := parseOID(text, typ); ok {
		return v, nil
	}
	parts := splitName(text)
	name, schema := parts[len(parts)-1], ""
	if len(parts) == 2 {
		schema = parts[0]
	}
	if typ == RegType {
		if oid, ok := typesByName[name]; ok && schema != "public" {
			return int64(oid), nil
		}
	}
	for _, row := range x.rows(x.lookup(namedCatalogs[typ].catalog)) {
		if row[1] != name {
			continue
		}
		if len(row) > 2 {
			if in := x.schema(row[2]); in != schema && (schema != "" || in != "pg_catalog" && in != "public") {
				continue
			}
		}
		return row[0], nil
	}
	return nil, noSuchName(text, typ)
}

func noSuchName(text string, typ uint32) *protocol.Error {
	switch typ {
	case RegClass:
		return errorf(codeUndefinedTable, "relation %q does not exist", text)
	case RegType, RegRole:
		return errorf(codeUndefinedObject, "%s %q does not exist", strings.TrimPrefix(TypeName(typ), "reg"), text)
	case RegNamespace:
		return errorf(codeInvalidSchema, "schema %q does not exist", text)
	case RegProc:
		return errorf(codeUndefinedFunction, "function %q does not exist", text)
	}
	return errorf(codeUndefinedObject, "%q does not exist", text)
}

// splitName takes a name apart at its points, and takes quotes away.
func splitName(text string) []string {
	p, err := NewParser(text, true)
	var parts []string
	for err == nil && (p.Next.Kind == Word || p.Next.Kind == Quoted) {
		parts = append(parts, p.Next.Text)
		if err = p.Advance(); err == nil && p.Next.Is(".") {
			err = p.Advance()
		}
	}
	if len(parts) == 0 || len(parts) > 2 {
		return []string{text}
	}
	return parts
}

// quoteIdent puts a name in quotes where SQL needs them.
func (x *execution) quoteIdent(name string) string {
	env := x.st.env
	return string(pgtext.AppendIdentifier(nil, name, env.Flavour, env.major()))
}
