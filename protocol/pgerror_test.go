// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var fullError = Error{
	LocalizedSeverity: "FEHLER", Severity: "ERROR", Code: "42601", Message: "message", Detail: "detail", Hint: "hint",
	Position: 1, InternalPosition: 2, InternalQuery: "query", Where: "where", Schema: "schema", Table: "table",
	Column: "column", DataType: "type", Constraint: "constraint", File: "file.c", Line: 42, Routine: "routine",
}

const fullErrorBody = "SFEHLER\x00VERROR\x00C42601\x00Mmessage\x00Ddetail\x00Hhint\x00P1\x00p2\x00qquery\x00Wwhere\x00" +
	"sschema\x00ttable\x00ccolumn\x00dtype\x00nconstraint\x00Ffile.c\x00L42\x00Rroutine\x00\x00"

func TestErrorFields(t *testing.T) {
	t.Parallel()
	e := fullError
	require.Equal(t, fullErrorBody, string(e.Append(nil)))
	var got Error
	require.NoError(t, got.Decode([]byte(fullErrorBody)))
	require.Equal(t, fullError, got)
	require.Equal(t, "ERROR: message (SQLSTATE 42601)", got.Error())
	for n := range len(fullErrorBody) {
		require.ErrorIs(t, got.Decode([]byte(fullErrorBody[:n])), ErrProtocol, "%d bytes", n)
	}
	require.ErrorIs(t, got.Decode([]byte(fullErrorBody+"\x00")), ErrProtocol)
}

func TestErrorOddFields(t *testing.T) {
	t.Parallel()
	var e Error
	require.NoError(t, e.Decode([]byte("SFATAL\x00Lx\x00?unknown\x00M\x00\x00")))
	require.Equal(t, Error{LocalizedSeverity: "FATAL"}, e)
	require.True(t, e.Fatal())
	require.NoError(t, e.Decode([]byte{0}))
	require.Equal(t, Error{}, e)
	require.False(t, e.Fatal())
	e = Error{Message: "cut\x00here"}
	require.Equal(t, "Mcut\x00\x00", string(e.Append(nil)))
}

func FuzzError(f *testing.F) {
	f.Add([]byte(fullErrorBody))
	f.Add([]byte("SFATAL\x00Lx\x00?unknown\x00M\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var e, again Error
		if e.Decode(body) != nil {
			return
		}
		require.NoError(t, again.Decode(e.Append(nil)))
		require.Equal(t, e, again)
	})
}
