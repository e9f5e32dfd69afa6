// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

type copyMessage interface {
	Append(dst []byte) []byte
	Decode(payload []byte) error
}

var someTime = time.Date(2026, 11, 22, 23, 7, 2, 140688000, time.UTC)

func TestMessages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		msg   copyMessage
		empty copyMessage
		hex   string
		exact bool // any other length is refused
	}{
		{"XLogData", &XLogData{Start: 0x20000000, End: 0x1_205AE768, SendTime: someTime, Data: []byte("wal")}, &XLogData{},
			"77 0000000020000000 00000001205ae768 000303e44dc25710 77616c", false},
		{"keepalive", &Keepalive{End: math.MaxUint64, SendTime: someTime, ReplyRequested: true}, &Keepalive{},
			"6b ffffffffffffffff 000303e44dc25710 01", true},
		{"status", &StandbyStatus{Write: 3, Flush: 2, Apply: 1, SendTime: someTime, ReplyRequested: true}, &StandbyStatus{},
			"72 0000000000000003 0000000000000002 0000000000000001 000303e44dc25710 01", true},
		{"feedback", &HotStandbyFeedback{SendTime: someTime, Xmin: 1, XminEpoch: 2, CatalogXmin: 3, CatalogXminEpoch: 4},
			&HotStandbyFeedback{}, "68 000303e44dc25710 00000001 00000002 00000003 00000004", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, err := hex.DecodeString(removeSpaces(tt.hex))
			require.NoError(t, err)
			got := tt.msg.Append([]byte("before"))
			require.Equal(t, append([]byte("before"), want...), got)
			require.NoError(t, tt.empty.Decode(want))
			require.Equal(t, tt.msg, tt.empty)
			requireCuts(t, want, tt.empty, tt.exact)
		})
	}
}

// requireCuts checks that a message of the wrong length or with another tag is refused.
func requireCuts(t *testing.T, payload []byte, m copyMessage, exact bool) {
	t.Helper()
	for n := range payload {
		if !exact && n >= XLogDataHeaderLen {
			break
		}
		require.ErrorIs(t, m.Decode(payload[:n]), ErrProtocol, "%d bytes", n)
	}
	if exact {
		require.ErrorIs(t, m.Decode(append(payload, 0)), ErrProtocol)
	}
	other := append([]byte{'x'}, payload[1:]...)
	require.ErrorIs(t, m.Decode(other), ErrProtocol)
}

func removeSpaces(s string) string {
	var b []byte
	for i := range len(s) {
		if s[i] != ' ' {
			b = append(b, s[i])
		}
	}
	return string(b)
}

func TestMessagesDoNotAllocate(t *testing.T) {
	status := StandbyStatus{Write: 1, SendTime: someTime}
	wal := make([]byte, 128<<10)
	data := (&XLogData{Start: 1, SendTime: someTime, Data: wal}).Append(nil)
	buf := make([]byte, 0, 64)
	var m XLogData
	require.Zero(t, testing.AllocsPerRun(100, func() {
		buf = status.Append(buf[:0])
		if m.Decode(data) != nil || m.Start != xlog.LSN(1) {
			panic("decode")
		}
	}))
}

func FuzzMessages(f *testing.F) {
	f.Add((&XLogData{Start: 1, End: 2, SendTime: someTime, Data: []byte("wal")}).Append(nil))
	f.Add((&Keepalive{End: 2, SendTime: someTime}).Append(nil))
	f.Add((&StandbyStatus{Write: 3, SendTime: someTime}).Append(nil))
	f.Add((&HotStandbyFeedback{Xmin: 3, SendTime: someTime}).Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, m := range []copyMessage{&XLogData{}, &Keepalive{}, &StandbyStatus{}, &HotStandbyFeedback{}} {
			if m.Decode(payload) != nil {
				continue
			}
			again := m.Append(nil)
			require.Len(t, again, len(payload))
			require.NoError(t, m.Decode(again))
		}
	})
}
