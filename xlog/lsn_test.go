// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func TestParseLSN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]xlog.LSN{
		"0/0":               0,
		"0/1":               1,
		"16/B374D848":       0x16_B374D848,
		"16/b374d848":       0x16_B374D848,
		"00000016/B374D848": 0x16_B374D848,
		"FFFFFFFF/FFFFFFFF": math.MaxUint64,
		"1/00000000":        1 << 32,
	} {
		got, err := xlog.ParseLSN(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"", "/", "0", "0/", "/0", "0//0", "0/0/0", "0/16B374D8xyz", "0/123456789", "123456789/0", " 0/0", "0/0 ", "0/0\n",
		"+0/0", "-1/0", "0x1/0", "0/-1", "G/0", "0/G", "0\x00/0", "0:0", "١/0",
	} {
		_, err := xlog.ParseLSN(text)
		require.ErrorIs(t, err, xlog.ErrInvalidLSN, "%q", text)
	}
}

func TestLSNString(t *testing.T) {
	t.Parallel()
	for _, l := range []xlog.LSN{0, 1, 0xABCDEF, 0x16_B374D848, 1 << 32, math.MaxUint64} {
		require.Equal(t, fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)), l.String())
		text, err := json.Marshal(l)
		require.NoError(t, err)
		var back xlog.LSN
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, l, back)
	}
	require.Error(t, new(xlog.LSN).UnmarshalText([]byte("nonsense")))
}

func TestLSNArithmetic(t *testing.T) {
	t.Parallel()
	require.Equal(t, xlog.LSN(1<<32+5), xlog.LSN(1<<32-3).Add(8))
	require.EqualValues(t, 8, xlog.LSN(1<<32+5).Sub(1<<32-3))
	require.EqualValues(t, -8, xlog.LSN(1<<32-3).Sub(1<<32+5))
	require.False(t, xlog.InvalidLSN.Valid())
	require.True(t, xlog.LSN(1).Valid())
}

func FuzzParseLSN(f *testing.F) {
	for _, s := range []string{"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/16B374D8xyz", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := xlog.ParseLSN(s)
		if err != nil {
			return
		}
		again, err := xlog.ParseLSN(l.String())
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}
