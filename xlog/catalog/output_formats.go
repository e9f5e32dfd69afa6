// SPDX-License-Identifier: Apache-2.0

package catalog

// formats has the types' formats by the OID of their output function (pg_proc.dat), which built-in functions keep in
// all versions.
var formats map[uint32]*format

// formatsByName has the same by the function's name, by which extensions make types that look like built-in ones.
var formatsByName map[string]*format

// The functions refer to the tables, which therefore cannot have them from the beginning.
func init() {
	formats = map[uint32]*format{
		31:   {"byteaout", 0, outBytea},
		33:   {"charout", 1, outChar},
		35:   {"nameout", 0, outName},
		39:   {"int2out", 2, outInt2},
		41:   {"int2vectorout", 0, outInt2Vector},
		43:   {"int4out", 4, outInt4},
		45:   {"regprocout", 4, outRegproc},
		47:   {"textout", 0, outText},
		49:   {"tidout", 6, outTID},
		51:   {"xidout", 4, outUint4},
		53:   {"cidout", 4, outUint4},
		55:   {"oidvectorout", 0, outOIDVector},
		110:  {"unknownout", 0, outText},
		118:  {"point_out", 16, outPoint},
		120:  {"lseg_out", 32, outLseg},
		122:  {"path_out", 0, outPath},
		124:  {"box_out", 32, outBox},
		196:  {"pg_node_tree_out", 0, outText},
		201:  {"float4out", 4, outFloat4},
		215:  {"float8out", 8, outFloat8},
		322:  {"json_out", 0, outText},
		348:  {"poly_out", 0, outPolygon},
		437:  {"macaddr_out", 6, outMacaddr},
		461:  {"int8out", 8, outInt8},
		751:  {"array_out", 0, outArray},
		887:  {"cash_out", 8, outMoney},
		911:  {"inet_out", 0, outInet},
		1032: {"aclitemout", 0, outACLItem},
		1045: {"bpcharout", 0, outText},
		1047: {"varcharout", 0, outText},
		1085: {"date_out", 4, outDate},
		1144: {"time_out", 8, outTime},
		1151: {"timestamptz_out", 8, outTimestampTZ},
		1161: {"interval_out", 16, outInterval},
		1243: {"boolout", 1, outBool},
		1313: {"timestamp_out", 8, outTimestamp},
		1351: {"timetz_out", 12, outTimeTZ},
		1427: {"cidr_out", 0, outCIDR},
		1451: {"circle_out", 24, outCircle},
		1491: {"line_out", 24, outLine},
		1565: {"bit_out", 0, outBit},
		1580: {"varbit_out", 0, outBit},
		1702: {"numeric_out", 0, outNumeric},
		1799: {"oidout", 4, outUint4},
		2213: {"regprocedureout", 4, outRegprocedure},
		2215: {"regoperout", 4, outRegoper},
		2217: {"regoperatorout", 4, outRegoperator},
		2219: {"regclassout", 4, outRegclass},
		2221: {"regtypeout", 4, outRegtype},
		2291: {"record_out", 0, outRecord},
		2293: {"cstring_out", 0, outText},
		2297: {"anyarray_out", 0, outArray},
		2894: {"xml_out", 0, outXML},
		2940: {"txid_snapshot_out", 0, outSnapshot}, // the name in C until 12
		2953: {"uuid_out", 16, outUUID},
		3230: {"pg_lsn_out", 8, outLSN},
		3356: {"pg_ndistinct_out", 0, outNdistinct},
		3405: {"pg_dependencies_out", 0, outDependencies},
		3505: {"anyenum_out", 4, outEnum},
		3507: {"enum_out", 4, outEnum},
		3611: {"tsvectorout", 0, outTSVector},
		3613: {"tsqueryout", 0, outTSQuery},
		3737: {"regconfigout", 4, outRegconfig},
		3772: {"regdictionaryout", 4, outRegdictionary},
		3804: {"jsonb_out", 0, outJSONB},
		3835: {"range_out", 0, outRange},
		4085: {"regnamespaceout", 4, outRegnamespace},
		4092: {"regroleout", 4, outRegrole},
		4111: {"macaddr8_out", 8, outMacaddr},
		4194: {"regcollationout", 4, outRegcollation},
		4232: {"multirange_out", 0, outMultirange},
		5019: {"pg_mcv_list_out", 0, outBytea},
		5056: {"pg_snapshot_out", 0, outSnapshot},
		5081: {"xid8out", 8, outXID8},
	}
	formatsByName = make(map[string]*format, len(formats))
	for _, f := range formats {
		formatsByName[f.function] = f
	}
}
