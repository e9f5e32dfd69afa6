// SPDX-License-Identifier: Apache-2.0

package pgsql

import "strconv"

// OIDs of types (src/include/catalog/pg_type.dat).
const (
	Bool          = 16
	Bytea         = 17
	Char          = 18 // the type "char", a byte
	Name          = 19
	Int8          = 20
	Int2          = 21
	Int2Vector    = 22
	Int4          = 23
	RegProc       = 24
	Text          = 25
	OID           = 26
	TID           = 27
	XID           = 28
	CID           = 29
	OIDVector     = 30
	Float4        = 700
	Float8        = 701
	Unknown       = 705
	Inet          = 869
	NameArray     = 1003
	Int4Array     = 1007
	TextArray     = 1009
	BPChar        = 1042
	VarChar       = 1043
	Date          = 1082
	Timestamp     = 1114
	TimestampTZ   = 1184
	Interval      = 1186
	Numeric       = 1700
	RegProcedure  = 2202
	RegOper       = 2203
	RegOperator   = 2204
	RegClass      = 2205
	RegType       = 2206
	AnyArray      = 2277
	RegRole       = 4096
	RegNamespace  = 4089
	RegCollation  = 4191
	RegConfig     = 3734
	RegDictionary = 3769
	PGLSN         = 3220
	XID8          = 5069
)

// class says how values of a type are kept while a statement runs, and with which others they can be compared.
type class uint8

const (
	classText     class = iota // string: text, and the text form of every type that is not named here
	classInt                   // int64: the integers
	classOID                   // int64: oid and its aliases, xid, cid
	classBool                  // int64: 0 or 1
	classFloat                 // float64
	classNumeric               // string: decimal
	classTime                  // int64: microseconds since 2000, of both kinds of timestamps
	classDate                  // int64: days since 2000
	classInterval              // int64: microseconds
	classLSN                   // string: 16 hexadecimal digits
	classArray                 // string: as text, {...}
	classInet                  // string: as text
	classOpaque                // string: as text, not to be mixed with text
)

// typeInfo is what is known of a type.
type typeInfo struct {
	name   string // typname
	sql    string // as format_type prints it
	length int16  // typlen
	class  class
	array  uint32 // typarray
}

var types = map[uint32]typeInfo{
	Bool: {"bool", "boolean", 1, classBool, 1000}, Bytea: {"bytea", "bytea", -1, classOpaque, 1001},
	Char: {"char", `"char"`, 1, classText, 1002}, Name: {"name", "name", 64, classText, NameArray},
	Int8: {"int8", "bigint", 8, classInt, 1016}, Int2: {"int2", "smallint", 2, classInt, 1005},
	Int2Vector: {"int2vector", "int2vector", -1, classOpaque, 1006}, Int4: {"int4", "integer", 4, classInt, Int4Array},
	RegProc: {"regproc", "regproc", 4, classOID, 1008}, Text: {"text", "text", -1, classText, TextArray},
	OID: {"oid", "oid", 4, classOID, 1028}, TID: {"tid", "tid", 6, classOpaque, 1010},
	XID: {"xid", "xid", 4, classOID, 1011}, CID: {"cid", "cid", 4, classOID, 1012},
	OIDVector: {"oidvector", "oidvector", -1, classOpaque, 1013}, 114: {"json", "json", -1, classOpaque, 199},
	142: {"xml", "xml", -1, classOpaque, 143}, 194: {"pg_node_tree", "pg_node_tree", -1, classOpaque, 0},
	Float4: {"float4", "real", 4, classFloat, 1021}, Float8: {"float8", "double precision", 8, classFloat, 1022},
	Unknown: {"unknown", "unknown", -2, classText, 0}, Inet: {"inet", "inet", -1, classInet, 1041},
	650: {"cidr", "cidr", -1, classInet, 651}, 1033: {"aclitem", "aclitem", 16, classOpaque, 1034},
	BPChar: {"bpchar", "character", -1, classText, 1014}, VarChar: {"varchar", "character varying", -1, classText, 1015},
	Date: {"date", "date", 4, classDate, 1182}, 1083: {"time", "time without time zone", 8, classOpaque, 1183},
	Timestamp:   {"timestamp", "timestamp without time zone", 8, classTime, 1115},
	TimestampTZ: {"timestamptz", "timestamp with time zone", 8, classTime, 1185},
	Interval:    {"interval", "interval", 16, classInterval, 1187}, Numeric: {"numeric", "numeric", -1, classNumeric, 1231},
	2950: {"uuid", "uuid", 16, classOpaque, 2951}, PGLSN: {"pg_lsn", "pg_lsn", 8, classLSN, 3221},
	RegProcedure: {"regprocedure", "regprocedure", 4, classOID, 2207},
	RegOper:      {"regoper", "regoper", 4, classOID, 2208}, RegOperator: {"regoperator", "regoperator", 4, classOID, 2209},
	RegClass: {"regclass", "regclass", 4, classOID, 2210}, RegType: {"regtype", "regtype", 4, classOID, 2211},
	RegRole: {"regrole", "regrole", 4, classOID, 4097}, RegNamespace: {"regnamespace", "regnamespace", 4, classOID, 4090},
	RegCollation: {"regcollation", "regcollation", 4, classOID, 4192}, RegConfig: {"regconfig", "regconfig", 4, classOID, 3735},
	RegDictionary: {"regdictionary", "regdictionary", 4, classOID, 3770}, XID8: {"xid8", "xid8", 8, classOID, 271},
	3802: {"jsonb", "jsonb", -1, classOpaque, 3807}, AnyArray: {"anyarray", "anyarray", -1, classArray, 0},
	2249: {"record", "record", -1, classOpaque, 2287}, 2278: {"void", "void", 4, classText, 0},
	3361: {"pg_ndistinct", "pg_ndistinct", -1, classOpaque, 0}, 3402: {"pg_dependencies", "pg_dependencies", -1, classOpaque, 0},
	5017: {"pg_mcv_list", "pg_mcv_list", -1, classOpaque, 0},
}

// elements has the element types of arrays, typesByName the OIDs by the names that casts use.
var elements, typesByName = func() (map[uint32]uint32, map[string]uint32) {
	elements, names := map[uint32]uint32{Int2Vector: Int2, OIDVector: OID}, map[string]uint32{
		"int": Int4, "integer": Int4, "bigint": Int8, "smallint": Int2, "boolean": Bool, "real": Float4, "float": Float8,
		"decimal": Numeric, "character": BPChar,
	}
	for oid, t := range types {
		if t.array != 0 {
			elements[t.array] = oid
		}
		names[t.name] = oid
	}
	return elements, names
}()

func classOf(oid uint32) class {
	if t, ok := types[oid]; ok {
		return t.class
	}
	if elements[oid] != 0 {
		return classArray
	}
	return classOpaque
}

// TypeLength is pg_type.typlen: the length of a type's values in bytes, -1 when that varies.
func TypeLength(oid uint32) int16 {
	if t, ok := types[oid]; ok {
		return t.length
	}
	return -1
}

// TypeName is the name of a type as format_type prints it.
func TypeName(oid uint32) string {
	if t, ok := types[oid]; ok {
		return t.sql
	}
	if element := elements[oid]; element != 0 {
		return TypeName(element) + "[]"
	}
	return "with OID " + strconv.FormatUint(uint64(oid), 10)
}

// isReg says whether a type is an OID that is printed as a name.
func isReg(oid uint32) bool {
	switch oid {
	case RegProc, RegProcedure, RegOper, RegOperator, RegClass, RegType, RegRole, RegNamespace, RegCollation, RegConfig,
		RegDictionary:
		return true
	}
	return false
}

// isNumber says whether there is arithmetic on values of a type.
func isNumber(oid uint32) bool {
	switch classOf(oid) {
	case classInt, classFloat, classNumeric:
		return true
	}
	return false
}

// rank orders the types of numbers: of two, the result has the one that comes later (int8 and float4 become float8).
func rank(oid uint32) int {
	switch oid {
	case Int2:
		return 1
	case Int4:
		return 2
	case Int8:
		return 3
	case Numeric:
		return 4
	case Float4:
		return 5
	}
	return 6
}
