// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AppendText appends the transaction for people: a line for it and one for each row.
//
//	0/1973A38 commit of 745 at 2026-01-31 12:00:00.123456Z
//	  + postgres.pg_class oid=16384 relname=orders relnamespace=2200 ...
//	  ~ postgres.pg_class oid=16384 relname=orders relnamespace=2200: relnatts 2 -> 3
//	  - postgres.pg_attribute attrelid=16384 attname=note ...
//	0/1973F10 in place
//	  ~ postgres.pg_class oid=16384 relname=orders relnamespace=2200: relpages 0 -> 7, reltuples -1 -> 1000
//
// Of rows that are inserted or deleted what is null, false, 0, empty or "-" is left out. The database is before the
// catalog, but of a shared one. JSON has everything.
func (t *Transaction) AppendText(dst []byte) []byte {
	dst = append(dst, t.LSN.String()...)
	switch {
	case t.InPlace:
		dst = append(dst, " in place"...)
	case t.GID != "":
		dst = fmt.Appendf(dst, " commit of %d, prepared as %s,", t.XID, quote(t.GID))
	default:
		dst = fmt.Appendf(dst, " commit of %d", t.XID)
	}
	if !t.Time.IsZero() {
		dst = append(dst, " at "...)
		dst = t.Time.AppendFormat(dst, "2006-01-02 15:04:05.999999Z07:00")
	}
	dst = append(dst, '\n')
	for i := range t.Changes {
		dst = t.Changes[i].appendText(dst)
	}
	if t.Omitted > 0 {
		dst = fmt.Appendf(dst, "  and %d more rows, for which there was no room\n", t.Omitted)
	}
	return dst
}

func (c *Change) appendText(dst []byte) []byte {
	dst = append(dst, "  "...)
	dst = append(dst, [...]string{"+ ", "~ ", "- ", "~ "}[c.Op&3]...)
	if c.Database != "" {
		dst = append(append(dst, quote(c.Database)...), '.')
	}
	dst = append(dst, c.Catalog...)
	switch {
	case c.Old != nil && c.New != nil:
		dst = c.appendUpdate(dst)
	case c.New != nil:
		dst = c.New.appendText(dst)
	case c.Old != nil:
		dst = c.Old.appendText(dst)
	}
	return append(dst, '\n')
}

// appendText appends what says something.
func (r *Row) appendText(dst []byte) []byte {
	for i, v := range r.Values {
		if nothing := v.Null || v.Text == "" || v.Text == "f" || v.Text == "0" || v.Text == "-"; !nothing {
			dst = append(append(append(append(dst, ' '), r.Columns[i]...), '='), quote(v.Text)...)
		}
	}
	return dst
}

// appendUpdate appends which row it is and what is another value now.
func (c *Change) appendUpdate(dst []byte) []byte {
	for i, v := range c.New.Values {
		if identifies(c.Catalog, c.New.Columns[i]) && v == c.Old.Values[i] && !v.Null {
			dst = append(append(append(append(dst, ' '), c.New.Columns[i]...), '='), quote(v.Text)...)
		}
	}
	between := ": "
	for i, v := range c.New.Values {
		if old := c.Old.Values[i]; v != old {
			dst = fmt.Appendf(dst, "%s%s %s -> %s", between, c.New.Columns[i], old, v)
			between = ", "
		}
	}
	return dst
}

// keys are the columns that tell rows apart, of catalogs where they are not columns named oid, *name or *namespace.
var keys = map[string]string{
	"pg_attribute": "attrelid attnum", "pg_index": "indexrelid indrelid", "pg_statistic": "starelid staattnum stainherit",
	"pg_inherits": "inhrelid inhparent", "pg_largeobject": "loid pageno", "pg_auth_members": "roleid member grantor",
	"pg_db_role_setting": "setdatabase setrole", "pg_description": "objoid classoid objsubid",
	"pg_shdescription": "objoid classoid", "pg_seclabel": "objoid classoid objsubid provider",
	"pg_shseclabel": "objoid classoid provider", "pg_init_privs": "objoid classoid objsubid",
	"pg_depend":   "classid objid objsubid refclassid refobjid refobjsubid deptype",
	"pg_shdepend": "dbid classid objid objsubid refclassid refobjid deptype",
	"pg_sequence": "seqrelid", "pg_partitioned_table": "partrelid", "pg_foreign_table": "ftrelid ftserver",
	"pg_subscription_rel": "srsubid srrelid", "pg_replication_origin": "roident",
	"pg_statistic_ext_data": "stxoid stxdinherit", "pg_aggregate": "aggfnoid", "pg_ts_config_map": "mapcfg maptokentype",
	"pg_amop": "amopfamily amopmethod", "pg_amproc": "amprocfamily", "pg_attrdef": "adrelid adnum",
	"pg_range": "rngtypid", "pg_enum": "enumtypid enumlabel", "pg_rewrite": "ev_class",
	"pg_trigger": "tgrelid", "pg_policy": "polrelid", "pg_constraint": "conrelid", "pg_user_mapping": "umuser umserver",
	"gp_distribution_policy": "localoid", "gp_segment_configuration": "dbid content", "pg_appendonly": "relid",
}

// identifies tells whether a column helps to say which row it is.
func identifies(catalog, column string) bool {
	if column == "oid" || strings.HasSuffix(column, "name") || strings.HasSuffix(column, "namespace") {
		return true
	}
	return slices.Contains(strings.Fields(keys[catalog]), column)
}

// String is the value in quotes where it needs some.
func (v Value) String() string {
	if v.Null {
		return "null"
	}
	return quote(v.Text)
}

// maxText is how many bytes of a value are shown.
const maxText = 200

// quote makes a value one word of one line. JSON has it in full.
func quote(s string) string {
	if len(s) > maxText {
		return strconv.Quote(s[:maxText]) + fmt.Sprintf("+%d", len(s)-maxText)
	}
	plain := func(r rune) bool { return r > ' ' && r != '"' && r != '\'' && strconv.IsPrint(r) }
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}
