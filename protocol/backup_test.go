// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgproto3/v2"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/protocol/protocoltest"
)

var (
	positionColumns   = []string{"recptr", "tli"}
	tablespaceColumns = []string{"spcoid", "spclocation", "size"}
)

func backupHeader(s *protocoltest.Session) {
	s.Command()
	s.Result(positionColumns, "SELECT", []any{"0/24000028", "1"})
	s.Result(tablespaceColumns, "SELECT", []any{"16396", "/ts", "20433"}, []any{nil, nil, nil})
}

func backupEnd(s *protocoltest.Session) {
	s.Result(positionColumns, "SELECT", []any{"0/24000100", "1"})
	s.Result(nil, "BASE_BACKUP")
	s.Ready()
}

// events reads a backup and writes down what comes.
func events(stream *protocol.BackupStream) (string, error) {
	var b bytes.Buffer
	for {
		ev, err := stream.Next()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		switch ev.Kind {
		case protocol.BackupArchive:
			fmt.Fprintf(&b, "[%s %s]", ev.Name, ev.Location)
		case protocol.BackupManifest:
			b.WriteString("[manifest]")
		case protocol.BackupData:
			b.Write(ev.Data)
		case protocol.BackupProgress:
			fmt.Fprintf(&b, "(%d)", ev.Done)
		}
	}
}

// In both eras the same backup gives the same events but for the progress.
func TestBackupStream(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		version  int
		manifest bool
		archives func(s *protocoltest.Session)
		want     string
	}{
		"14": {140000, true, func(s *protocoltest.Session) {
			for _, data := range []string{"tablespace", "main", "{}"} {
				s.CopyOut()
				s.CopyData([]byte(data))
				s.Notice(warning)
				s.CopyData([]byte("-"))
				s.CopyDone()
			}
		}, "[16396.tar /ts]tablespace-[base.tar ]main-[manifest]{}-"},
		"12": {120000, false, func(s *protocoltest.Session) {
			for _, data := range []string{"tablespace", "main"} {
				s.CopyOut()
				s.CopyData([]byte(data))
				s.CopyDone()
			}
		}, "[16396.tar /ts]tablespace[base.tar ]main"},
		"15": {150000, true, func(s *protocoltest.Session) {
			s.CopyOut()
			s.CopyData([]byte("n16396.tar\x00/ts\x00"))
			s.CopyData([]byte("dtablespace"))
			s.CopyData([]byte("p\x00\x00\x00\x00\x00\x00\x00\x0a"))
			s.Notice(warning)
			s.CopyData([]byte("d-"))
			s.CopyData([]byte("nbase.tar\x00\x00"))
			s.CopyData([]byte("dmain-"))
			s.CopyData([]byte("m"))
			s.CopyData([]byte("d{}-"))
			s.CopyDone()
		}, "[16396.tar /ts]tablespace(10)-[base.tar ]main-[manifest]{}-"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(s *protocoltest.Session) {
				backupHeader(s)
				tt.archives(s)
				backupEnd(s)
				s.Expect(protocol.IdentifySystem{})
				s.Ready()
			})
			c.SetServer(protocol.Server{Version: tt.version})
			stream, err := c.BaseBackup(protocol.BaseBackup{})
			require.NoError(t, err)
			require.Equal(t, protocol.Position{LSN: 0x24000028, Timeline: 1}, stream.Start)
			require.Equal(t, []protocol.Tablespace{{OID: 16396, Location: "/ts", Size: 20433}, {Size: -1}}, stream.Tablespaces)
			_, err = stream.End()
			require.Error(t, err, "not yet")
			got, err := events(stream)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			end, err := stream.End()
			require.NoError(t, err)
			require.Equal(t, protocol.Position{LSN: 0x24000100, Timeline: 1}, end)
			_, err = c.Exec(protocol.IdentifySystem{})
			require.NoError(t, err)
			_, err = stream.Next()
			require.Equal(t, io.EOF, err)
			_, err = stream.End()
			require.Error(t, err, "only once")
		})
	}
}

func TestBackupThatGoesWrong(t *testing.T) {
	t.Parallel()
	copyOut := func(payloads ...string) func(s *protocoltest.Session) {
		return func(s *protocoltest.Session) {
			s.CopyOut()
			for _, p := range payloads {
				s.CopyData([]byte(p))
			}
		}
	}
	broken := func(t *testing.T, err error) { require.ErrorIs(t, err, protocol.ErrProtocol) }
	tests := map[string]struct {
		version int
		script  func(s *protocoltest.Session)
		check   func(t *testing.T, err error)
	}{
		"error": {150000, func(s *protocoltest.Session) { s.Error(syntaxError); s.Ready() },
			func(t *testing.T, err error) { requireError(t, syntaxError, err) }},
		"connection lost": {150000, copyOut("nbase.tar\x00\x00", "dx"),
			func(t *testing.T, err error) { require.Equal(t, io.ErrUnexpectedEOF, err) }},
		"data first":      {150000, copyOut("dx"), broken},
		"empty":           {150000, copyOut(""), broken},
		"unknown kind":    {150000, copyOut("x"), broken},
		"no name":         {150000, copyOut("n\x00\x00"), broken},
		"half a name":     {150000, copyOut("nbase.tar\x00"), broken},
		"more than names": {150000, copyOut("nbase.tar\x00\x00x"), broken},
		"two manifests":   {150000, copyOut("m", "m"), broken},
		"after manifest":  {150000, copyOut("m", "nbase.tar\x00\x00"), broken},
		"long manifest":   {150000, copyOut("mx"), broken},
		"short progress":  {150000, copyOut("p\x00"), broken},
		"two copies":      {150000, func(s *protocoltest.Session) { s.CopyOut(); s.CopyDone(); s.CopyOut() }, broken},
		"nested copies":   {150000, func(s *protocoltest.Session) { s.CopyOut(); s.CopyOut() }, broken},
		"no copy":         {150000, backupEnd, broken},
		"data outside":    {150000, func(s *protocoltest.Session) { s.CopyData([]byte("x")) }, broken},
		"archive missing": {140000, func(s *protocoltest.Session) { s.CopyOut(); s.CopyDone(); backupEnd(s) }, broken},
		"four archives": {140000, func(s *protocoltest.Session) {
			for range 4 {
				s.CopyOut()
				s.CopyDone()
			}
		}, broken},
		"end without a position": {140000, func(s *protocoltest.Session) {
			for range 2 {
				s.CopyOut()
				s.CopyDone()
			}
			s.Result([]string{"x"}, "SELECT")
		}, broken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(s *protocoltest.Session) {
				backupHeader(s)
				tt.script(s)
			})
			c.SetServer(protocol.Server{Version: tt.version})
			stream, err := c.BaseBackup(protocol.BaseBackup{})
			require.NoError(t, err)
			_, err = events(stream)
			tt.check(t, err)
			_, again := stream.Next()
			require.Equal(t, err, again)
			_, err = stream.End()
			require.Error(t, err)
		})
	}
}

func TestBackupHeaderThatGoesWrong(t *testing.T) {
	t.Parallel()
	position := func(row ...any) func(s *protocoltest.Session) {
		return func(s *protocoltest.Session) { s.Result(positionColumns, "SELECT", row) }
	}
	space := func(row ...any) func(s *protocoltest.Session) {
		return func(s *protocoltest.Session) {
			position("0/24000028", "1")(s)
			s.Result(tablespaceColumns[:len(row)], "SELECT", row)
		}
	}
	tests := map[string]func(s *protocoltest.Session){
		"no row":             func(s *protocoltest.Session) { s.Result(positionColumns, "SELECT") },
		"no LSN":             position(nil, 1),
		"timeline 0":         position("0/1", 0),
		"timeline too large": position("0/1", 1<<32),
		"no tablespaces":     space(),
		"tablespace x":       space("x", "", nil),
		"tablespace 0":       space("0", "", nil),
		"size":               space(nil, nil, "-1"),
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(s *protocoltest.Session) {
				s.Command()
				script(s)
			})
			_, err := c.BaseBackup(protocol.BaseBackup{})
			require.ErrorIs(t, err, protocol.ErrProtocol)
		})
	}
	c := clientOf(t, func(s *protocoltest.Session) {
		s.Command()
		s.Error(syntaxError)
		s.Ready()
	})
	_, err := c.BaseBackup(protocol.BaseBackup{})
	requireError(t, syntaxError, err)
}

// A backup of any size is received without an allocation for its pieces.
func TestBackupDataDoesNotAllocate(t *testing.T) {
	piece, err := (&pgproto3.CopyData{Data: append([]byte{'d'}, make([]byte, 32<<10)...)}).Encode(nil)
	require.NoError(t, err)
	c := clientOf(t, func(s *protocoltest.Session) {
		backupHeader(s)
		s.CopyOut()
		s.CopyData([]byte("nbase.tar\x00\x00"))
		for {
			s.Raw(piece)
		}
	})
	stream, err := c.BaseBackup(protocol.BaseBackup{})
	require.NoError(t, err)
	_, err = stream.Next()
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if ev, err := stream.Next(); err != nil || len(ev.Data) != 32<<10 {
			panic("next")
		}
	}))
}
