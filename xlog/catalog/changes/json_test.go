// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// example is a transaction with a change of every kind.
func example() *Transaction {
	row := func(values ...string) *Row {
		r := &Row{Columns: []string{"oid", "relname", "reltuples", "relacl"}}
		for _, v := range values {
			r.Values = append(r.Values, Value{Text: strings.TrimPrefix(v, "null"), Null: v == "null"})
		}
		return r
	}
	return &Transaction{
		LSN: 0x1973A38, End: 0x1973B00, Timeline: 1, XID: 745, GID: "a name", Omitted: 2,
		Time: time.Date(2026, 1, 31, 12, 0, 0, 123456000, time.UTC),
		Changes: []Change{
			{Op: Insert, Database: "app", Catalog: "pg_class", OID: 1259, New: row("16384", "orders", "-1", "null")},
			{Op: Update, Database: "app", Catalog: "pg_class", OID: 1259,
				Old: row("16385", "old name", "7", "null"), New: row("16385", "<new>", "7", "{a=r/b}")},
			{Op: Delete, Catalog: "pg_authid", OID: 1260, Old: row("9", "", "1", strings.Repeat("x", 300))},
		},
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	line, err := json.Marshal(example())
	require.NoError(t, err)
	require.Contains(t, string(line), `{"lsn":"0/1973A38","end_lsn":"0/1973B00","timeline":1,"xid":745,`)
	require.Contains(t, string(line), `"new":{"oid":"16384","relname":"orders","reltuples":"-1","relacl":null}`)
	var back Transaction
	require.NoError(t, json.Unmarshal(line, &back))
	require.Equal(t, example(), &back)
	empty, err := json.Marshal(&Row{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(empty))
	for _, wrong := range []string{`{"changes":[{"op":"vanish"}]}`, `{"changes":[{"op":"insert","new":{"oid":7}}]}`} {
		require.Error(t, json.Unmarshal([]byte(wrong), &back))
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	require.Equal(t, `0/1973A38 commit of 745, prepared as "a name", at 2026-01-31 12:00:00.123456Z
  + app.pg_class oid=16384 relname=orders reltuples=-1
  ~ app.pg_class oid=16385: relname "old name" -> <new>, relacl null -> {a=r/b}
  - pg_authid oid=9 reltuples=1 relacl="`+strings.Repeat("x", 200)+`"+100
  and 2 more rows, for which there was no room
`, string(example().AppendText(nil)))
	tx := &Transaction{LSN: 0x10, InPlace: true, Changes: []Change{{
		Op: InPlace, Database: "a b", Catalog: "pg_x",
		Old: &Row{Columns: []string{"n"}, Values: []Value{{Text: "1"}}},
		New: &Row{Columns: []string{"n"}, Values: []Value{{Text: "2"}}},
	}}}
	require.Equal(t, "0/10 in place\n  ~ \"a b\".pg_x: n 1 -> 2\n", string(tx.AppendText(nil)))
}
