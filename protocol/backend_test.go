// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"io"
	"testing"

	"github.com/jackc/pgproto3/v2"
	"github.com/stretchr/testify/require"
)

var startupPacket = []byte("\x00\x00\x00\x21\x00\x03\x00\x00user\x00u\x00replication\x00true\x00\x00")

func TestBackendReceives(t *testing.T) {
	t.Parallel()
	in := bytes.Join([][]byte{
		{0, 0, 0, 8, 4, 210, 22, 47}, startupPacket,
		frame('p', []byte("SCRAM-SHA-256\x00\x00\x00\x00\x02n,")), frame('p', []byte("c=")),
		frame('Q', []byte("IDENTIFY_SYSTEM\x00")), frame('d', pattern(100)), frame('c', nil), frame('X', nil),
	}, nil)
	b := NewBackend(&script{in: &pieceReader{in, 3}})
	startup := func() StartupPacket {
		msg, err := b.ReceiveStartup()
		require.NoError(t, err)
		return msg
	}
	receive := func() pgproto3.FrontendMessage {
		msg, err := b.Receive()
		require.NoError(t, err)
		return msg
	}
	require.Equal(t, SSLRequest{}, startup())
	require.Equal(t, &Startup{Version: Protocol30, Parameters: []Parameter{{"user", "u"}, {"replication", "true"}}}, startup())
	require.NoError(t, b.SetAuthType(pgproto3.AuthTypeSASL))
	require.Equal(t, "SCRAM-SHA-256", receive().(*pgproto3.SASLInitialResponse).AuthMechanism)
	require.NoError(t, b.SetAuthType(pgproto3.AuthTypeSASLContinue))
	require.Equal(t, "c=", string(receive().(*pgproto3.SASLResponse).Data))
	b.SetPhase(PhaseCommand)
	require.Equal(t, "IDENTIFY_SYSTEM", receive().(*pgproto3.Query).String)
	typ, body, err := b.Framer().Next()
	require.NoError(t, err)
	require.Equal(t, byte('d'), typ)
	require.Equal(t, pattern(100), body, "the framer reads on where the messages end")
	require.IsType(t, &pgproto3.CopyDone{}, receive())
	require.IsType(t, &pgproto3.Terminate{}, receive())
	_, err = b.Receive()
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

// Bodies on which pgproto3 panics, types that have no place here, and sizes.
func TestBackendRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		auth    uint32
		message []byte
	}{
		"empty Query":               {0, frame('Q', nil)},
		"Query without end":         {0, frame('Q', []byte("x"))},
		"empty CopyFail":            {0, frame('f', nil)},
		"Bind":                      {0, frame('B', []byte("\x00\x00\x00\x00\x00\x01\xff\xff\xff\xf0"))},
		"FunctionCall":              {0, frame('F', nil)},
		"unknown type":              {0, frame('?', nil)},
		"empty password":            {pgproto3.AuthTypeMD5Password, frame('p', nil)},
		"short SASLInitialResponse": {pgproto3.AuthTypeSASL, frame('p', []byte("x\x00\x00"))},
		"SASLInitialResponse":       {pgproto3.AuthTypeSASL, frame('p', []byte("x\x00\x00\x00\x00\x05abc"))},
		"SASL without mechanism":    {pgproto3.AuthTypeSASL, frame('p', []byte("x"))},
		"before authentication":     {0, frame('Q', append(pattern(70000), 0))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := NewBackend(&script{in: bytes.NewReader(tt.message)})
			require.NoError(t, b.SetAuthType(tt.auth))
			_, err := b.Receive()
			require.ErrorIs(t, err, ErrProtocol)
		})
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	require.Less(t, PhaseAuth.MaxMessage(), PhaseCopy.MaxMessage())
	require.Less(t, 16*65536+XLogDataHeaderLen, PhaseCopy.MaxMessage(), "WAL blocks of 64 KiB")
	require.Less(t, PhaseCopy.MaxMessage(), PhaseCommand.MaxMessage())
}

func FuzzBackend(f *testing.F) {
	f.Add(append(startupPacket, frame('Q', []byte("x\x00"))...), uint8(0))
	f.Add(append(startupPacket, frame('p', []byte("SCRAM-SHA-256\x00\x00\x00\x00\x02n,"))...), uint8(pgproto3.AuthTypeSASL))
	f.Add(append(startupPacket, frame('B', []byte("\x00\x00\x00\x00\x00\x01\xff\xff\xff\xf0"))...), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, auth uint8) {
		b := NewBackend(&script{in: bytes.NewReader(in)})
		if _, err := b.ReceiveStartup(); err != nil {
			return
		}
		b.SetAuthType(uint32(auth % 16))
		for {
			if _, err := b.Receive(); err != nil {
				return
			}
		}
	})
}
