// SPDX-License-Identifier: Apache-2.0

package pgtext

import (
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// AppendIdentifier appends a name in double quotes, unless it is one that needs none (quote_identifier in
// src/backend/utils/adt/ruleutils.c).
func AppendIdentifier(dst []byte, name string, flavour xlog.Flavour, major int) []byte {
	plain := name != "" && (name[0] < '0' || name[0] > '9')
	for _, c := range []byte(name) {
		plain = plain && (c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
	}
	if plain && !isKeyword(name, flavour, major) {
		return append(dst, name...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(name, `"`, `""`)...)
	return append(dst, '"')
}

func isKeyword(name string, flavour xlog.Flavour, major int) bool {
	if since, ok := keywords[name]; ok {
		return major >= since
	}
	return keywordsMore[flavour][name]
}

// keywords are those that are not unreserved (src/include/parser/kwlist.h), with the version since which they are.
var keywords = func() map[string]int {
	m := map[string]int{}
	for since, words := range map[int]string{12: keywords12, 13: keywords13, 16: keywords16, 17: keywords17} {
		for _, word := range strings.Fields(words) {
			m[word] = since
		}
	}
	return m
}()

// keywordsMore are those that others have besides.
var keywordsMore = map[xlog.Flavour]map[string]bool{
	xlog.Greenplum: words(`ao_aux_only decode distributed exclude following group_id median partition preceding scatter
		unbounded`),
	xlog.Cloudberry: words(`ao_aux_only decode directory distributed exclude group_id median partition scatter`),
}

func words(list string) map[string]bool {
	m := map[string]bool{}
	for _, word := range strings.Fields(list) {
		m[word] = true
	}
	return m
}

const (
	keywords12 = `
		all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
		case cast char character check coalesce collate collation column concurrently constraint create cross
		current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
		decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
		freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
		interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural
		nchar none not notnull null nullif numeric offset on only or order out outer overlaps overlay placing
		position precision primary real references returning right row select session_user setof similar smallint
		some substring symmetric table tablesample then time timestamp to trailing treat trim true union unique user
		using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
		xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`
	keywords13 = `normalize`
	keywords16 = `json_array json_arrayagg json_object json_objectagg system_user`
	keywords17 = `json json_exists json_query json_scalar json_serialize json_table json_value merge_action`
)
