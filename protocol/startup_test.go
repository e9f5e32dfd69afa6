// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// packet is a startup packet with its length in front.
func packet(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func TestReceiveStartup(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		packet []byte
		want   StartupPacket
	}{
		"SSLRequest":    {packet(codeSSL, ""), SSLRequest{}},
		"GSSENCRequest": {packet(codeGSSEnc, ""), GSSEncRequest{}},
		"cancel":        {packet(codeCancel, "\x00\x00\x00\x07abcd"), &CancelRequest{7, []byte("abcd")}},
		"cancel of 3.2": {packet(codeCancel, "\x00\x00\x00\x07"+string(pattern(256))), &CancelRequest{7, pattern(256)}},
		"other major":   {packet(2<<16, "anything"), &Startup{Version: 2 << 16}},
		"empty value":   {packet(3<<16, "a\x00\x00\x00"), &Startup{Version: Protocol30, Parameters: []Parameter{{"a", ""}}}},
		"nothing":       {packet(3<<16, "\x00"), &Startup{Version: Protocol30}},
		"options": {packet(3<<16|2, "_pq_.a\x001\x00user\x00u\x00_pq_.b\x00\x00\x00"), &Startup{
			Version: Protocol32, Parameters: []Parameter{{"user", "u"}}, Options: []string{"_pq_.a", "_pq_.b"},
		}},
	} {
		got, err := NewBackend(&script{in: &pieceReader{tt.packet, 3}}).ReceiveStartup()
		require.NoError(t, err, name)
		require.Equal(t, tt.want, got, name)
	}
	s := &Startup{Parameters: []Parameter{{"a", "1"}, {"a", "2"}}}
	value, ok := s.Get("a")
	require.True(t, ok)
	require.Equal(t, "2", value)
}

func TestReceiveStartupRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string][]byte{
		"no terminator":    packet(3<<16, "user\x00u\x00"),
		"no value":         packet(3<<16, "user\x00"),
		"name without end": packet(3<<16, "user"),
		"no parameters":    packet(3<<16, ""),
		"something behind": packet(3<<16, "\x00x"),
		"cancel, no key":   packet(codeCancel, "\x00\x00\x00\x07"),
		"cancel, long key": packet(codeCancel, "\x00\x00\x00\x07"+string(pattern(257))),
		"too short":        {0, 0, 0, 7, 0, 0, 0},
		"too long":         {0, 0, 0x27, 0x11, 0, 3, 0, 0},
	} {
		_, err := NewBackend(&script{in: bytes.NewReader(in)}).ReceiveStartup()
		require.ErrorIs(t, err, ErrProtocol, name)
	}
}

func TestAppendNegotiateVersion(t *testing.T) {
	t.Parallel()
	got := AppendNegotiateVersion([]byte("x"), Protocol30, []string{"a", "bc"})
	require.Equal(t, "xv\x00\x00\x00\x11\x00\x03\x00\x00\x00\x00\x00\x02a\x00bc\x00", string(got))
}

func TestAppendBackendKeyData(t *testing.T) {
	t.Parallel()
	require.Equal(t, "K\x00\x00\x00\x0c\x00\x00\x00\x05abcd", string(AppendBackendKeyData(nil, 5, []byte("abcd"))))
}

// What was read and not taken is there for a server that changes to TLS.
func TestPending(t *testing.T) {
	t.Parallel()
	b := NewBackend(&script{in: bytes.NewReader(append(packet(codeSSL, ""), "hello"...))})
	_, err := b.ReceiveStartup()
	require.NoError(t, err)
	require.Equal(t, "hello", string(b.Framer().Pending()))
}
