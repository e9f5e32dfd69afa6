// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

const threeTimelines = "1\t0/3000148\tno recovery target specified\n\n2\t0/50001C0\tbefore 2026-01-01 00:00:00+00\n"

func TestParseHistory(t *testing.T) {
	t.Parallel()
	h, err := xlog.ParseHistory(3, []byte(threeTimelines))
	require.NoError(t, err)
	require.Equal(t, xlog.History{Timeline: 3, Ancestors: []xlog.Switch{
		{Timeline: 1, LSN: 0x3000148, Reason: "no recovery target specified"},
		{Timeline: 2, LSN: 0x50001C0, Reason: "before 2026-01-01 00:00:00+00"},
	}}, h)
	back, err := xlog.ParseHistory(3, h.Format())
	require.NoError(t, err)
	require.Equal(t, h, back)
}

func TestParseHistoryAccepts(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"", "\n\n", "# a comment\n", "1 0/1", "  \t7 0/1 \r\n", "1\t0/FFFFFFFF\t\n", "1\t0/1\tx\ty",
	} {
		_, err := xlog.ParseHistory(9, []byte(content))
		require.NoError(t, err, "%q", content)
	}
}

func TestParseHistoryRefuses(t *testing.T) {
	t.Parallel()
	for content, say := range map[string]string{
		"x\t0/1\t":        "numeric timeline ID",
		"0\t0/1\t":        "numeric timeline ID",
		"-1\t0/1\t":       "numeric timeline ID",
		"4294967296\t0/1": "numeric timeline ID",
		"1":               "switchpoint location",
		"1\t0/\t":         "switchpoint location",
		"1\t0/1z\t":       "switchpoint location",
		"2\t0/2\n1\t0/3":  "increasing sequence",
		"2\t0/2\n2\t0/3":  "increasing sequence",
		"9\t0/1\t":        "less than the child",
	} {
		_, err := xlog.ParseHistory(9, []byte(content))
		require.ErrorIs(t, err, xlog.ErrHistory, "%q", content)
		require.ErrorContains(t, err, say)
		require.ErrorContains(t, err, "00000009.history")
	}
}

func TestHistoryQuestions(t *testing.T) {
	t.Parallel()
	h, err := xlog.ParseHistory(7, []byte("1\t0/3000148\tr\n2\t0/50001C0\tr\n"))
	require.NoError(t, err)
	for lsn, want := range map[xlog.LSN]xlog.TimelineID{
		0: 1, 0x3000147: 1, 0x3000148: 2, 0x50001BF: 2, 0x50001C0: 7, 1 << 60: 7,
	} {
		require.Equal(t, want, h.TimelineAt(lsn), "%s", lsn)
	}
	at, next, ok := h.SwitchPoint(1)
	require.True(t, ok)
	require.Equal(t, xlog.LSN(0x3000148), at)
	require.Equal(t, xlog.TimelineID(2), next)
	_, next, ok = h.SwitchPoint(2)
	require.True(t, ok)
	require.Equal(t, xlog.TimelineID(7), next)
	for tli, want := range map[xlog.TimelineID]bool{0: false, 1: true, 2: true, 3: false, 7: true, 8: false} {
		require.Equal(t, want, h.Contains(tli), "%d", tli)
	}
	_, _, ok = h.SwitchPoint(7)
	require.False(t, ok)
}

func TestHistoryName(t *testing.T) {
	t.Parallel()
	for tli, name := range map[xlog.TimelineID]string{
		2: "00000002.history", 0xABCDEF: "00ABCDEF.history", 1<<32 - 1: "FFFFFFFF.history",
	} {
		require.Equal(t, name, tli.HistoryName())
		back, err := xlog.ParseHistoryName(name)
		require.NoError(t, err)
		require.Equal(t, tli, back)
	}
	for _, name := range []string{"", "2.history", "0000000a.history", "00000002.history.tmp", "00000000.history"} {
		_, err := xlog.ParseHistoryName(name)
		require.Error(t, err, name)
	}
	require.Equal(t, "12", xlog.TimelineID(12).String())
}

func FuzzParseHistory(f *testing.F) {
	f.Add([]byte(threeTimelines))
	f.Add([]byte("# comment\n\n1 0/1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := xlog.ParseHistory(1<<31, content)
		if err != nil {
			return
		}
		for _, a := range h.Ancestors {
			require.NotContains(t, a.Reason, "\n")
			require.True(t, h.Contains(a.Timeline))
		}
		back, err := xlog.ParseHistory(1<<31, h.Format())
		require.NoError(t, err)
		if !strings.ContainsAny(string(content), "\r\v\f") {
			require.Equal(t, h, back)
		}
	})
}
