// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"io"
	"testing"

	"github.com/jackc/pgproto3/v2"
	"github.com/stretchr/testify/require"
)

func TestDecodeRowRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"empty":            "",
		"count":            "\x00\x02\x00\x00\x00\x00",
		"no length":        "\x00\x01\x00\x00",
		"negative length":  "\x00\x01\xff\xff\xff\xfe",
		"most negative":    "\x00\x01\x80\x00\x00\x00",
		"beyond the end":   "\x00\x01\x00\x00\x00\x02x",
		"bytes left over":  "\x00\x01\x00\x00\x00\x01xx",
		"after a NULL":     "\x00\x01\xff\xff\xff\xffx",
		"largest positive": "\x00\x01\x7f\xff\xff\xff",
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeRow([]byte(body), 1)
			require.ErrorIs(t, err, ErrProtocol)
		})
	}
	row, err := decodeRow([]byte("\x00\x03\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x01x"), 3)
	require.NoError(t, err)
	require.Equal(t, [][]byte{{}, nil, []byte("x")}, row)
}

// The bodies on which pgproto3's decoders panic or never return (PEERS.md) and the like.
func TestClientRefuses(t *testing.T) {
	t.Parallel()
	for name, message := range map[string][]byte{
		"empty CommandComplete":         frame('C', nil),
		"CommandComplete without end":   frame('C', []byte("SELECT")),
		"CommandComplete with two":      frame('C', []byte("a\x00b\x00")),
		"empty RowDescription":          frame('T', nil),
		"RowDescription without fields": frame('T', []byte{0xff, 0xff}),
		"DataRow before RowDescription": frame('D', []byte{0, 0}),
		"empty ErrorResponse":           frame('E', nil),
		"empty NoticeResponse":          frame('N', nil),
		"empty ParameterStatus":         frame('S', nil),
		"half a ParameterStatus":        frame('S', []byte("name\x00")),
		"long ParameterStatus":          frame('S', []byte("name\x00value\x00x")),
		"authentication":                frame('R', []byte{0, 0, 0, 10}),
		"CopyBothResponse":              frame('W', []byte{0, 0, 0}),
		"unknown type":                  frame('?', nil),
	} {
		t.Run(name, func(t *testing.T) {
			c := NewClient(&script{in: bytes.NewReader(message)})
			_, err := c.Exec(IdentifySystem{})
			require.ErrorIs(t, err, ErrProtocol)
		})
	}
	bodies := map[string][]byte{"empty": nil, "short": {0, 0}, "columns": {0, 0, 1}, "long": {0, 0, 0, 0}}
	for name, body := range bodies {
		t.Run("CopyBothResponse "+name, func(t *testing.T) {
			c := NewClient(&script{in: bytes.NewReader(frame('W', body))})
			require.ErrorIs(t, c.StartCopyBoth(StartReplication{}), ErrProtocol)
		})
	}
}

// script is a server that does not listen.
type script struct {
	in io.Reader
}

func (s *script) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error) { return len(p), nil }

func FuzzResult(f *testing.F) {
	f.Add([]byte("\x00\x03\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x01x"), uint8(3))
	fields := []pgproto3.FieldDescription{{Name: []byte("name"), DataTypeOID: 25}}
	desc, err := (&pgproto3.RowDescription{Fields: fields}).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(desc[frameHeaderLen:], uint8(1))
	f.Add([]byte("name\x00value\x00"), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, columns uint8) {
		if row, err := decodeRow(body, int(columns)); err == nil {
			size := 2
			for _, v := range row {
				size += 4 + len(v)
			}
			require.Equal(t, len(body), size)
		}
		if got, err := decodeColumns(body); err == nil {
			require.NotNil(t, got)
		}
		decodeTag(body)
		decodeParameterStatus(body)
		decodeCopyResponse(body)
	})
}

// FuzzClient gives a client any answer to any command. It must end without a panic, and not give out a value from
// beyond the answer.
func FuzzClient(f *testing.F) {
	identify := bytes.Join([][]byte{
		frame('T', []byte("\x00\x01systemid\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00")),
		frame('D', []byte("\x00\x01\x00\x00\x00\x017")), frame('C', []byte("SELECT\x00")), frame('Z', []byte("I")),
	}, nil)
	f.Add(identify, uint8(0))
	stream := bytes.Join([][]byte{
		frame('W', []byte{0, 0, 0}), frame('d', (&Keepalive{End: 1}).Append(nil)), frame('c', nil),
		frame('C', []byte("START_STREAMING\x00")), frame('Z', []byte("I")),
	}, nil)
	f.Add(stream, uint8(1))
	refused := bytes.Join([][]byte{
		frame('W', []byte{0, 0, 0}), frame('E', []byte(fullErrorBody)), frame('Z', []byte("I")),
	}, nil)
	f.Add(refused, uint8(1))
	f.Add(frame('G', []byte{0, 0, 0}), uint8(2))
	f.Fuzz(func(t *testing.T, answer []byte, what uint8) {
		c := NewClient(&script{in: bytes.NewReader(answer)})
		switch what % 3 {
		case 0:
			results, err := c.Exec(IdentifySystem{})
			if err == nil && len(results) > 0 {
				results[0].Value(0, "systemid")
			}
		case 1:
			if c.StartCopyBoth(StartReplication{}) != nil {
				return
			}
			for {
				if _, err := c.NextCopy(); err != nil {
					break
				}
			}
			c.EndCopyBoth()
		case 2:
			c.UploadManifest(bytes.NewReader(answer))
		}
	})
}

// FuzzBackupStream gives a client any backup, in either era, and mostly one that begins well.
func FuzzBackupStream(f *testing.F) {
	position := bytes.Join([][]byte{
		frame('T', []byte("\x00\x02recptr\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"+
			"tli\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\xff\xff\xff\xff\xff\xff\x00\x00")),
		frame('D', []byte("\x00\x02\x00\x00\x00\x030/1\x00\x00\x00\x011")), frame('C', []byte("SELECT\x00")),
	}, nil)
	spaces := bytes.Join([][]byte{
		frame('T', []byte("\x00\x01spcoid\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x04\xff\xff\xff\xff\x00\x00")),
		frame('D', []byte("\x00\x01\xff\xff\xff\xff")), frame('C', []byte("SELECT\x00")),
	}, nil)
	header := append(position, spaces...)
	end := bytes.Join([][]byte{frame('c', nil), position, frame('Z', []byte("I"))}, nil)
	old := bytes.Join([][]byte{frame('H', []byte{0, 0, 0}), frame('d', []byte("tar")), end}, nil)
	framed := bytes.Join([][]byte{frame('H', []byte{0, 0, 0}), frame('d', []byte("nbase.tar\x00\x00")),
		frame('d', []byte("dtar")), frame('d', []byte("p\x00\x00\x00\x00\x00\x00\x00\x03")), frame('d', []byte("m")),
		frame('d', []byte("d{}")), end}, nil)
	f.Add(old, false, true)
	f.Add(framed, true, true)
	f.Add(append(header, old...), false, false)
	// The seeds themselves are good backups.
	for answer, isFramed := range map[string]bool{string(old): false, string(framed): true} {
		require.NoError(f, readBackup(append(header, answer...), isFramed))
	}
	f.Fuzz(func(t *testing.T, answer []byte, framed, withHeader bool) {
		if withHeader {
			answer = append(bytes.Clone(header), answer...)
		}
		readBackup(answer, framed)
	})
}

func readBackup(answer []byte, framed bool) error {
	c := NewClient(&script{in: bytes.NewReader(answer)})
	c.SetServer(Server{Version: 140000})
	if framed {
		c.SetServer(Server{Version: 150000})
	}
	stream, err := c.BaseBackup(BaseBackup{})
	if err != nil {
		return err
	}
	for {
		if _, err := stream.Next(); err == io.EOF {
			_, err = stream.End()
			return err
		} else if err != nil {
			return err
		}
	}
}
