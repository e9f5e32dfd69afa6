// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFormDeform makes tuples of all kinds of columns and takes them apart again.
func TestFormDeform(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	types := []TypeInfo{
		{Len: 1, Align: 'c'}, {Len: 2, Align: 's'}, {Len: 4, Align: 'i'}, {Len: 8, Align: 'd'}, {Len: 6, Align: 's'},
		{Len: 64, Align: 'c'}, {Len: -2, Align: 'c'}, {Len: -1, Align: 'i', Storage: 'x'},
		{Len: -1, Align: 'd', Storage: 'm'}, {Len: -1, Align: 'i', Storage: 'p'},
	}
	for range 2000 {
		columns := make([]Column, random.IntN(40))
		values := make([]Value, len(columns))
		for i := range columns {
			columns[i].Type = types[random.IntN(len(types))]
			columns[i].Type.NetworkOrder = random.IntN(2) == 0 // as in Greenplum
			values[i] = randomValue(random, columns[i].Type.Len)
		}
		tuple, err := Form(columns, values)
		require.NoError(t, err)
		r := &Relation{columns: columns}
		row, err := r.Deform(tuple)
		require.NoError(t, err)
		for i := range values {
			raw, err := row.Value(i)
			require.NoError(t, err)
			require.Equal(t, values[i].Null, raw == nil)
			require.True(t, bytes.Equal(values[i].Raw, raw))
		}
	}
}

func randomValue(random *rand.Rand, size int16) Value {
	if random.IntN(4) == 0 {
		return Value{Null: true}
	}
	n := int(size)
	if n < 0 {
		n = random.IntN(1 << random.IntN(9))
	}
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = 'a' + byte(random.IntN(26))
	}
	return Value{Raw: raw}
}

// TestFormRefuses has values that are none of their columns.
func TestFormRefuses(t *testing.T) {
	column := []Column{{Type: TypeInfo{Len: 4, Align: 'i'}}}
	for _, values := range [][]Value{{}, {{Raw: []byte{1}}}, {{Null: true}, {Null: true}}} {
		_, err := Form(column, values)
		require.ErrorIs(t, err, ErrForm)
	}
}
