// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"strconv"
	"strings"
)

// reads1 makes a function of an OID that reads catalogs.
func reads1(result uint32, f func(x *execution, oid int64) Value, types ...uint32) []builtin {
	var reads []namedCatalog
	for _, oid := range types {
		reads = append(reads, namedCatalogs[oid])
	}
	return []builtin{{args: []uint32{OID}, result: result, reads: reads, call: func(x *execution, args []Value) (Value, error) {
		return f(x, args[0].(int64)), nil
	}}}
}

// visible makes one of the functions pg_..._is_visible: what is in pg_catalog or public can be named without a schema.
func visible(typ uint32) []builtin { return visibleIn(namedCatalogs[typ]) }

func visibleIn(c namedCatalog) []builtin {
	call := func(x *execution, args []Value) (Value, error) {
		row := x.row(x.lookup(c.catalog), args[0].(int64))
		if row == nil {
			return nil, nil
		}
		return BoolValue(x.visible(c.catalog, row)), nil
	}
	return []builtin{{args: []uint32{OID}, result: Bool, call: call, reads: []namedCatalog{c, namedCatalogs[RegNamespace]}}}
}

// named is a catalog whose columns for names begin with a prefix.
func named(catalog, prefix string) namedCatalog {
	return namedCatalog{catalog, []string{"oid", prefix + "name", prefix + "namespace"}}
}

// always makes a function with any arguments that has one answer.
func always(result uint32, v Value, args int) []builtin {
	f := builtin{result: result, nulls: true, call: func(*execution, []Value) (Value, error) { return v, nil }}
	for range args {
		f.args = append(f.args, anyType)
	}
	f.optional = max(0, args-1)
	return []builtin{f}
}

// catalogFunctions look things up in catalogs. What they would need code of PostgreSQL for (definitions as SQL) is NULL.
var catalogFunctions = map[string][]builtin{
	"pg_get_userbyid": reads1(Name, func(x *execution, oid int64) Value {
		if row := x.row(x.lookup("pg_authid"), oid); row != nil {
			return row[1]
		}
		return fmt.Sprintf("unknown (OID=%d)", oid)
	}, RegRole),
	"format_type": {{
		args: []uint32{OID, Int4}, result: Text, nulls: true,
		reads: []namedCatalog{namedCatalogs[RegType], namedCatalogs[RegNamespace]},
		call: func(x *execution, args []Value) (Value, error) {
			oid, ok := args[0].(int64)
			if !ok {
				return nil, nil
			}
			typmod, ok := args[1].(int64)
			if !ok {
				typmod = -1
			}
			return x.formatType(oid, typmod), nil
		},
	}},
	"pg_table_is_visible": visible(RegClass), "pg_type_is_visible": visible(RegType),
	"pg_function_is_visible": visible(RegProc), "pg_operator_is_visible": visibleIn(named("pg_operator", "opr")),
	"pg_collation_is_visible": visible(RegCollation), "pg_ts_config_is_visible": visible(RegConfig),
	"pg_ts_dict_is_visible": visible(RegDictionary),
	"pg_opclass_is_visible": visibleIn(named("pg_opclass", "opc")), "pg_opfamily_is_visible": visibleIn(named("pg_opfamily", "opf")),
	"pg_conversion_is_visible":     visibleIn(named("pg_conversion", "con")),
	"pg_ts_parser_is_visible":      visibleIn(named("pg_ts_parser", "prs")),
	"pg_ts_template_is_visible":    visibleIn(named("pg_ts_template", "tmpl")),
	"pg_statistics_obj_is_visible": visibleIn(named("pg_statistic_ext", "stx")),
	"obj_description":              {description("pg_description", 2)}, "shobj_description": {description("pg_shdescription", 2)},
	"col_description": {{
		args: []uint32{OID, Int4}, result: Text,
		reads: []namedCatalog{{"pg_description", []string{"objoid", "description", "objsubid", "classoid"}}},
		call: func(x *execution, args []Value) (Value, error) {
			return x.describe("pg_description", args[0].(int64), args[1].(int64), nil), nil
		},
	}},
	"pg_get_expr": always(Text, nil, 3), "pg_get_constraintdef": always(Text, nil, 2), "pg_get_indexdef": always(Text, nil, 3),
	"pg_get_viewdef": always(Text, nil, 2), "pg_get_ruledef": always(Text, nil, 2), "pg_get_triggerdef": always(Text, nil, 2),
	"pg_get_partkeydef": always(Text, nil, 1), "pg_get_function_arguments": always(Text, nil, 1),
	"pg_get_function_result": always(Text, nil, 1), "pg_get_statisticsobjdef_columns": always(Text, nil, 1),
	"pg_relation_is_publishable": always(Bool, int64(0), 1), "pg_my_temp_schema": always(OID, int64(0), 0),
	"pg_is_other_temp_schema": always(Bool, int64(0), 1), "has_table_privilege": always(Bool, int64(1), 3),
	"has_schema_privilege": always(Bool, int64(1), 3), "has_database_privilege": always(Bool, int64(1), 3),
	"pg_has_role": always(Bool, int64(1), 3), "pg_tablespace_location": always(Text, "", 1),
	"current_schemas": {{args: []uint32{Bool}, result: NameArray, call: func(_ *execution, args []Value) (Value, error) {
		if args[0] == int64(1) {
			return "{pg_catalog,public}", nil
		}
		return "{public}", nil
	}}},
}

// description makes a function of an object and the name of its catalog.
func description(catalog string, args int) builtin {
	columns := []string{"objoid", "description", "objsubid"}
	if catalog == "pg_shdescription" {
		columns = columns[:2]
	}
	return builtin{
		args: []uint32{OID, Name}[:args], optional: 1, result: Text,
		reads: []namedCatalog{{catalog, append(columns, "classoid")}, namedCatalogs[RegClass], namedCatalogs[RegNamespace]},
		call: func(x *execution, args []Value) (Value, error) {
			var class Value
			if len(args) == 2 {
				oid, err := x.oidOf("pg_catalog."+args[1].(string), RegClass)
				if err != nil {
					return nil, nil
				}
				class = oid
			}
			return x.describe(catalog, args[0].(int64), 0, class), nil
		},
	}
}

// describe finds a comment; a nil class is any.
func (x *execution) describe(catalog string, object, sub int64, class Value) Value {
	l := x.lookup(catalog)
	for _, i := range x.find(l.use.number, l.positions[0], object) {
		row := l.pick(x.tables[l.use.number][i])
		if len(row) > 2 && catalog == "pg_description" && row[2] != sub {
			continue
		}
		if class == nil || row[len(row)-1] == class {
			return row[1]
		}
	}
	return nil
}

// formatType is format_type_extended (format_type.c). A typmod below 0 is none.
func (x *execution) formatType(oid, typmod int64) string {
	if oid == 0 {
		return "-"
	}
	row := x.row(x.lookup("pg_type"), oid)
	if row == nil {
		return "???"
	}
	suffix := ""
	if element, ok := row[3].(int64); ok && element != 0 && strings.HasPrefix(row[1].(string), "_") {
		if inner := x.row(x.lookup("pg_type"), element); inner != nil && inner[4] == oid {
			row, oid, suffix = inner, element, "[]"
		}
	}
	if t, ok := types[uint32(oid)]; ok && oid < 10000 {
		return withTypmod(uint32(oid), t.sql, typmod) + suffix
	}
	name, schema := x.quoteIdent(row[1].(string)), x.schema(row[2])
	if other, ok := otherTypeNames[row[1].(string)]; ok && schema == "pg_catalog" {
		name = other
	}
	if schema != "pg_catalog" && schema != "public" {
		name = x.quoteIdent(schema) + "." + name
	}
	return name + suffix
}

// otherTypeNames are names of types in SQL that are not in the list of types.
var otherTypeNames = map[string]string{
	"timetz": "time with time zone", "bit": "bit", "varbit": "bit varying", "any": `"any"`, "trigger": "trigger",
}

// withTypmod puts a type modifier behind, or into, the name of a type.
func withTypmod(oid uint32, name string, typmod int64) string {
	if typmod < 0 {
		return name
	}
	switch oid {
	case VarChar, BPChar:
		return name + "(" + strconv.FormatInt(typmod-4, 10) + ")"
	case Numeric:
		n := typmod - 4
		scale := (n&0x7ff ^ 1024) - 1024
		return fmt.Sprintf("%s(%d,%d)", name, n>>16&0xffff, scale)
	case Timestamp, TimestampTZ, 1083:
		first, rest, _ := strings.Cut(name, " ")
		return fmt.Sprintf("%s(%d) %s", first, typmod, rest)
	}
	return name
}
