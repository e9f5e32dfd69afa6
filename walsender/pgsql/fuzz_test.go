// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
)

// FuzzQuery runs any text: what comes of it is rows that can be sent, or an error for the client. SQLite understands
// whatever is translated.
func FuzzQuery(f *testing.F) {
	text, err := os.ReadFile("testdata/compared.sql")
	require.NoError(f, err)
	for _, part := range strings.Split(string(text), ";\n") {
		f.Add(strings.ReplaceAll(part, "pg_class", "numbers"))
	}
	env := testEnvironment(f, 10)
	env.Memory = 4 << 20
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		st, rows, err := runText(ctx, env, text)
		if err != nil {
			e, ok := errors.AsType[*protocol.Error](err)
			require.True(t, ok || ctx.Err() != nil, err)
			require.False(t, ok && e.Code == codeInternal, "%v", err)
			return
		}
		for _, row := range rows {
			for i, v := range row {
				if v != nil {
					AppendText(nil, v, st.Columns[i].Type)
					AppendBinary(nil, v, st.Columns[i].Type)
				}
			}
		}
	})
}

// FuzzValues reads values of every type in both forms, and writes what was read.
func FuzzValues(f *testing.F) {
	f.Add(uint32(Numeric), "-12.50")
	f.Add(uint32(Interval), "1 day 02:03:04.5")
	f.Add(uint32(TextArray), `{a,"b c",NULL}`)
	f.Add(uint32(TimestampTZ), "2024-02-29 12:00:00.25+00")
	f.Fuzz(func(t *testing.T, oid uint32, text string) {
		for _, parse := range []func() (Value, error){
			func() (Value, error) { return ParseText(text, oid) },
			func() (Value, error) { return ParseBinary([]byte(text), oid) },
		} {
			v, err := parse()
			if err != nil || v == nil {
				continue
			}
			again, err := ParseText(string(AppendText(nil, v, oid)), oid)
			if f, ok := v.(float64); err == nil && (!ok || f == f) && classOf(oid) != classTime && classOf(oid) != classArray {
				require.Equal(t, v, again)
			}
			AppendBinary(nil, v, oid)
		}
	})
}
