// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/protocol"
)

// frame makes a message.
func frame(typ byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{typ}, uint32(len(body)+4))
	return append(b, body...)
}

// startupBytes makes a startup packet of names and values.
func startupBytes(version uint32, words ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, version)
	for _, w := range words {
		body = append(append(body, w...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// talk sends bytes as a client and returns everything that comes back until the server closes the connection, which it
// has to do by itself.
func talk(t *testing.T, s *Server, sent ...[]byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	for _, b := range sent {
		if _, err := conn.Write(b); err != nil {
			break // the server may have had enough
		}
	}
	got, err := io.ReadAll(conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server keeps the connection")
	return got
}

// lastError reads what the server said to the end, and returns the error that it ended with.
func lastError(t *testing.T, got []byte) *protocol.Error {
	t.Helper()
	f := protocol.NewFramer(strings.NewReader(string(got)), 1<<20)
	var last *protocol.Error
	for {
		typ, body, err := f.Next()
		if err != nil {
			return last
		}
		last = nil
		if typ == 'E' {
			last = new(protocol.Error)
			require.NoError(t, last.Decode(body))
		}
	}
}

// answersStill shows that the server has taken no harm.
func answersStill(t *testing.T, s *Server) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), connString(s, "replication=true password=geheim"))
	require.NoError(t, err)
	query(t, conn, "IDENTIFY_SYSTEM")
	require.NoError(t, conn.Close(context.Background()))
}

// Every type of message in the place of a password, with a body of every kind.
func TestEveryMessageBeforeLogin(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{Users: testUsers(t, "geheim"), AuthDelay: time.Nanosecond, MaxConnections: 1000})
	startup := startupBytes(3<<16, "user", "u", "replication", "true")
	bodies := []string{"", "\x00", "SCRAM-SHA-256\x00\xff\xff\xff\xff", "SCRAM-SHA-256\x00\x00\x00\x00\x01",
		"IDENTIFY_SYSTEM\x00", "SCRAM-SHA-256\x00\x00\x00\x00\x05n,,n=", "SCRAM-SHA-256-PLUS\x00\xff\xff\xff\xff",
		strings.Repeat("x", 1024)}
	var wait sync.WaitGroup
	for typ := range 256 {
		wait.Go(func() {
			for _, body := range bodies {
				// The second message answers an empty challenge, where one comes.
				got := talk(t, s, startup, frame(byte(typ), body), frame(byte(typ), "\x00"), frame('X', ""))
				require.NotContains(t, string(got), "systemid")
				e := lastError(t, got)
				if byte(typ) != 'p' && e != nil { // when unread bytes reset the connection, nothing may arrive
					require.Equal(t, "08P01", e.Code)
					require.Equal(t, "FATAL", e.Severity)
				}
			}
		})
		if typ%16 == 15 {
			wait.Wait()
		}
	}
	answersStill(t, s)
}

func TestStartupPackets(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{StartupTimeout: 2 * time.Second})
	tests := map[string]struct {
		packet []byte
		code   string // of the error; "": nothing is said
		words  string
	}{
		"nothing":         {nil, "", ""},
		"length 0":        {[]byte{0, 0, 0, 0}, "", ""},
		"length 7":        {[]byte{0, 0, 0, 7, 0, 3, 0}, "", ""},
		"length 4 GiB":    {[]byte{255, 255, 255, 255, 0, 3, 0, 0}, "", ""},
		"length 1 MiB":    {[]byte{0, 16, 0, 0, 0, 3, 0, 0}, "", ""},
		"HTTP":            {[]byte("GET / HTTP/1.1\r\n\r\n"), "", ""},
		"TLS without TLS": {[]byte("\x16\x03\x01\x02\x00\x01"), "", ""},
		"version 2": {
			startupBytes(2<<16, "user", "u"), "0A000", "unsupported frontend protocol 2.0: server supports 3.0 to ",
		},
		"version 4":        {startupBytes(4<<16, "user", "u"), "0A000", "unsupported frontend protocol 4.0"},
		"no parameters":    {startupBytes(3 << 16), "28000", "no PostgreSQL user name specified in startup packet"},
		"no terminator":    {[]byte("\x00\x00\x00\x0f\x00\x03\x00\x00user\x00u\x00"), "08P01", "invalid startup packet layout"},
		"no value":         {[]byte("\x00\x00\x00\x0d\x00\x03\x00\x00user\x00"), "08P01", "invalid startup packet layout"},
		"something behind": {startupBytes(3<<16, "user", "u", "", "x"), "08P01", "invalid startup packet layout"},
		"replication": {
			startupBytes(3<<16, "user", "u", "replication", "perhaps"), "22023", "invalid value for parameter",
		},
		"many settings":       {startupBytes(3<<16, slices.Concat([]string{"user", "u"}, manySettings())...), "53400", ""},
		"short cancel":        {[]byte{0, 0, 0, 12, 4, 210, 22, 46, 0, 0, 0, 1}, "", ""},
		"long cancel":         {append([]byte{0, 0, 1, 13, 4, 210, 22, 46}, make([]byte, 261)...), "", ""},
		"two SSLRequests":     {[]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x04\xd2\x16\x2f"), "0A000", "1234.5679"},
		"two GSSENCRequests":  {[]byte("\x00\x00\x00\x08\x04\xd2\x16\x30\x00\x00\x00\x08\x04\xd2\x16\x30"), "0A000", "1234.5680"},
		"an SSLRequest alone": {[]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"), "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := talk(t, s, tt.packet)
			got = []byte(strings.TrimLeft(string(got), "N")) // encryption is refused
			if tt.code == "" {
				require.Empty(t, got)
				return
			}
			e := lastError(t, got)
			require.NotNil(t, e, "%q", got)
			require.Equal(t, tt.code, e.Code)
			require.Contains(t, e.Message, tt.words)
			require.True(t, e.Fatal())
		})
	}
}

func manySettings() (words []string) {
	for i := range 150 {
		words = append(words, fmt.Sprintf("a.b%d", i), "")
	}
	return words
}

// Data that is sent before TLS was agreed upon is not taken for data sent inside of it.
func TestInjectedBeforeTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{TLS: newAuthority(t).serverTLS(t)})
	got := talk(t, s, append([]byte{0, 0, 0, 8, 4, 210, 22, 47}, startupBytes(3<<16, "user", "u")...))
	e := lastError(t, got)
	require.NotNil(t, e)
	require.Equal(t, "received unencrypted data after SSL request", e.Message)
}

// A protocol newer than the server's is negotiated: 3.0 up to version 17, 3.2 from then on, with a longer key.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]struct{ minor, key int }{150018: {0, 4}, 180004: {2, 32}} {
		s := serve(t, Config{Source: newStill(version)})
		got := talk(t, s, startupBytes(3<<16|9999, "user", "u", "replication", "true", "_pq_.x", "y"), frame('X', ""))
		f := protocol.NewFramer(strings.NewReader(string(got)), 1<<20)
		typ, body, err := f.Next()
		require.NoError(t, err)
		require.Equal(t, byte('v'), typ)
		require.Equal(t, "\x00\x03\x00"+string(rune(want.minor))+"\x00\x00\x00\x01_pq_.x\x00", string(body))
		for typ != 'K' {
			typ, body, err = f.Next()
			require.NoError(t, err)
		}
		require.Len(t, body, 4+want.key)
	}
}

// After the login: lengths and types that have no sense end the session with an error, unknown commands do not.
func TestMessagesAfterLogin(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{})
	startup := startupBytes(3<<16, "user", "u", "replication", "true")
	for name, sent := range map[string][]byte{
		"length 3":       {'Q', 0, 0, 0, 3},
		"length 4 GiB":   {'Q', 255, 255, 255, 255},
		"length 1 GiB":   {'d', 64, 0, 0, 0},
		"no end":         frame('Q', "IDENTIFY_SYSTEM"),
		"two ends":       frame('Q', "IDENTIFY_SYSTEM\x00\x00"),
		"empty":          frame('Q', ""),
		"unknown type":   frame('?', ""),
		"password again": frame('p', "x\x00"),
	} {
		e := lastError(t, talk(t, s, startup, sent))
		require.NotNil(t, e, name)
		require.Equal(t, "08P01", e.Code, name)
		require.True(t, e.Fatal(), name)
	}
	// What a replication connection does not know: an error, and the session goes on.
	for name, sent := range map[string][]byte{
		"Parse":         slices.Concat(frame('P', "\x00SELECT 1\x00\x00\x00"), frame('B', "\xff\xff"), frame('S', "")),
		"FunctionCall":  frame('F', ""),
		"COPY messages": slices.Concat(frame('d', "r"), frame('c', ""), frame('f', "x\x00")),
	} {
		got := talk(t, s, startup, sent, frame('Q', "IDENTIFY_SYSTEM\x00"), frame('X', ""))
		require.Contains(t, string(got), "7654321098765432109", name)
		if name != "COPY messages" {
			require.Contains(t, string(got), "not supported in a replication connection", name)
		}
	}
}

// A client that takes its time with the startup packet, or does not go on, is gone after StartupTimeout.
func TestSlowStartup(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{StartupTimeout: 700 * time.Millisecond, Users: testUsers(t, "geheim")})
	packet := startupBytes(3<<16, "user", "u", "replication", "true")
	for _, n := range []int{0, 1, 4, 8, len(packet) - 1, len(packet)} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			got := talk(t, s, packet[:n])
			require.Greater(t, time.Since(start), 600*time.Millisecond)
			require.Less(t, time.Since(start), 10*time.Second)
			if n == len(packet) {
				require.Equal(t, "canceling authentication due to timeout", lastError(t, got).Message)
			}
		})
	}
	t.Run("a byte at a time", func(t *testing.T) {
		t.Parallel()
		conn, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		start := time.Now()
		for i := 0; time.Since(start) < 10*time.Second; i++ {
			if _, err := conn.Write(packet[i%len(packet):][:1]); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error("the server still listens")
	})
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{MaxConnections: 3})
	var last *pgconn.PgConn
	for range 3 {
		last = connect(t, s, "replication=true")
	}
	_, err := pgconn.Connect(t.Context(), connString(s, "replication=true"))
	var e *pgconn.PgError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "53300", e.Code)
	require.Equal(t, "sorry, too many clients already", e.Message)
	require.NoError(t, last.Close(t.Context()))
	require.Eventually(t, func() bool {
		conn, err := pgconn.Connect(t.Context(), connString(s, "replication=true"))
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	}, 10*time.Second, 10*time.Millisecond)
}

// Connections of every kind, one after another: nothing stays of them.
func TestManyConnections(t *testing.T) {
	s := serve(t, Config{Users: testUsers(t, "geheim"), AuthDelay: time.Nanosecond})
	startup := startupBytes(3<<16, "user", "u", "replication", "true")
	round := func(n int) {
		for i := range n {
			switch i % 4 {
			case 0:
				conn, err := net.Dial("tcp", s.Addr().String())
				require.NoError(t, err)
				conn.Close()
			case 1:
				talk(t, s, startup, frame('p', "SCRAM-SHA-256\x00\x00\x00\x00\x08n,,n=,r="), frame('p', "c=biws"))
			case 2:
				talk(t, s, []byte("GET / HTTP/1.0\r\n\r\n"))
			case 3:
				answersStill(t, s)
			}
		}
		require.Eventually(t, func() bool {
			n := 0
			s.each(func(*session) { n++ })
			return n == 0
		}, 10*time.Second, 10*time.Millisecond)
	}
	round(100)
	goroutines, files, heap := usage(t)
	round(1000)
	goroutinesNow, filesNow, heapNow := usage(t)
	t.Logf("goroutines %d, then %d; files %d, then %d; heap %d KiB, then %d KiB", goroutines, goroutinesNow,
		files, filesNow, heap>>10, heapNow>>10)
	require.LessOrEqual(t, goroutinesNow, goroutines+3)
	require.LessOrEqual(t, filesNow, files+3)
	require.Less(t, heapNow, heap+2<<20)
}

func usage(t *testing.T) (goroutines, files int, heap uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(entries), m.HeapAlloc
}

// Whatever a client sends, nothing panics and the session ends by itself.
func FuzzSession(f *testing.F) {
	startup := startupBytes(3<<16, "user", "u", "replication", "true")
	f.Add(slices.Concat(startup, frame('Q', "IDENTIFY_SYSTEM\x00"), frame('X', "")))
	f.Add(slices.Concat(startup, frame('Q', "SHOW wal_segment_size\x00"), frame('P', "\x00"), frame('S', ""), frame('F', "")))
	f.Add(slices.Concat([]byte{0, 0, 0, 8, 4, 210, 22, 47}, startupBytes(3<<16, "user", "u", "options", `-c a=b\ c --d-e=f`)))
	f.Add(slices.Concat(startupBytes(3<<16, "user", "p"), frame('p', "SCRAM-SHA-256\x00\x00\x00\x00\x0bn,,n=,r=abc"),
		frame('p', "c=biws,r=abc,p=AAAA")))
	f.Add(slices.Concat(startup, frame('Q', "START_REPLICATION 0/1000000\x00"), frame('d', "r"), frame('c', "")))
	users, err := NewUsers(map[string]string{"p": sampleVerifier})
	require.NoError(f, err)
	hba, err := ParseHBA("local all,replication p scram-sha-256\nlocal all,replication all trust", HBAOptions{})
	require.NoError(f, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(f, err)
	f.Cleanup(func() { l.Close() })
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := New(Config{
			Source: newStill(180004), Listeners: []net.Listener{l}, Users: users, HBA: hba, AuthDelay: time.Nanosecond,
			StartupTimeout: 5 * time.Second,
			OnEvent: func(e Event) {
				if e.Kind == EventPanic {
					t.Errorf("%v\n%s", e.Err, e.Text)
				}
			},
		})
		require.NoError(t, err)
		defer s.StopFast()
		conn := newScript(in)
		s.take(conn)
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			t.Fatal("the session goes on after its client's end")
		}
	})
}

// script is a connection by a unix socket whose client has said everything already.
type script struct {
	in     *strings.Reader
	closed chan struct{}
	once   sync.Once
}

func newScript(in []byte) *script {
	return &script{in: strings.NewReader(string(in)), closed: make(chan struct{})}
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{Net: "unix"} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "unix"} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
