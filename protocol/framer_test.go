// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func frame(typ byte, body []byte) []byte {
	b := append([]byte{typ}, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[1:], uint32(len(body)+4))
	return append(b, body...)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func TestFramerReadsEverySize(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 4, 5, 100, smallTail, 128 << 10, minBuffer - 5, minBuffer, minBuffer + 1, 3, 1 << 20, 0, 70000}
	var stream []byte
	for i, n := range sizes {
		stream = append(stream, frame(byte('a'+i), pattern(n))...)
	}
	readers := map[string]func(io.Reader) io.Reader{
		"all":      func(r io.Reader) io.Reader { return r },
		"one byte": iotest.OneByteReader,
		"half":     iotest.HalfReader,
		"data+EOF": iotest.DataErrReader,
	}
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := NewFramer(wrap(bytes.NewReader(stream)), 1<<20)
			for i, n := range sizes {
				typ, body, err := f.Next()
				require.NoError(t, err)
				require.Equal(t, byte('a'+i), typ)
				require.True(t, bytes.Equal(pattern(n), body), "message %d", i)
			}
			_, _, err := f.Next()
			require.Equal(t, io.EOF, err)
			require.LessOrEqual(t, len(f.buf), 1<<20+frameHeaderLen)
		})
	}
}

func TestFramerCutAnywhere(t *testing.T) {
	t.Parallel()
	stream := append(frame('x', pattern(20)), frame('y', nil)...)
	for n := range len(stream) + 1 {
		f := NewFramer(bytes.NewReader(stream[:n]), 100)
		var err error
		for err == nil {
			_, _, err = f.Next()
		}
		if n == 0 || n == 25 || n == 30 {
			require.Equal(t, io.EOF, err, "%d bytes", n)
		} else {
			require.Equal(t, io.ErrUnexpectedEOF, err, "%d bytes", n)
		}
	}
}

func TestFramerRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		stream []byte
		want   error
	}{
		{"length 3", []byte("x\x00\x00\x00\x03"), ErrProtocol},
		{"length 0", []byte("x\x00\x00\x00\x00"), ErrProtocol},
		{"4 GiB", []byte("x\xff\xff\xff\xff"), ErrTooLarge},
		{"one more than allowed", frame('x', pattern(101)), ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFramer(bytes.NewReader(append(tt.stream, frame('y', nil)...)), 100)
			_, _, err := f.Next()
			require.ErrorIs(t, err, tt.want)
			require.ErrorIs(t, err, ErrProtocol)
			require.Len(t, f.buf, minBuffer, "nothing is allocated for what is refused")
			require.True(t, f.Buffered())
			_, _, again := f.Next()
			require.Equal(t, err, again, "a violation is final")
		})
	}
}

// timeoutReader fails with a timeout before each of its bytes.
type timeoutReader struct {
	data []byte
	turn bool
}

func (r *timeoutReader) Read(p []byte) (int, error) {
	if r.turn = !r.turn; r.turn {
		return 0, os.ErrDeadlineExceeded
	}
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1], r.data)
	r.data = r.data[n:]
	return n, nil
}

func TestFramerGoesOnAfterTimeout(t *testing.T) {
	t.Parallel()
	f := NewFramer(&timeoutReader{data: append(frame('x', pattern(50)), frame('y', pattern(7))...)}, 100)
	timeouts := 0
	next := func() (byte, []byte, error) {
		for {
			typ, body, err := f.Next()
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				timeouts++
				continue
			}
			return typ, body, err
		}
	}
	typ, body, err := next()
	require.NoError(t, err)
	require.Equal(t, byte('x'), typ)
	require.Equal(t, pattern(50), body)
	typ, body, err = next()
	require.NoError(t, err)
	require.Equal(t, byte('y'), typ)
	require.Equal(t, pattern(7), body)
	_, _, err = next()
	require.Equal(t, io.EOF, err)
	require.Equal(t, 68, timeouts)
}

// TestFramerHead: bodies of which the beginning is handed out, and the rest skipped, read later, or taken from the connection
// by somebody else, in any order and over readers of every kind, are those that Next gives.
func TestFramerHead(t *testing.T) {
	t.Parallel()
	const long = 1000
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var bodies [][]byte
		var stream []byte
		for range 60 {
			body := pattern([]int{rng.IntN(60), rng.IntN(2 * long), long, rng.IntN(20_000)}[rng.IntN(4)])
			bodies = append(bodies, body)
			stream = append(stream, frame("dx"[rng.IntN(2)], body)...)
		}
		conn := &moodyReader{rng: rng, data: stream}
		f := NewFramer(conn, 1<<20)
		again := func(read func() error) {
			err := read()
			for ; errors.Is(err, os.ErrDeadlineExceeded); err = read() {
			}
			require.NoError(t, err)
		}
		cut := 0
		for i, want := range bodies {
			var typ byte
			var body []byte
			var left int
			n := rng.IntN(long)
			again(func() (err error) {
				typ, body, left, err = f.Head('d', n, long)
				return err
			})
			require.Equal(t, len(want), len(body)+left, "seed %d, message %d", seed, i)
			require.True(t, bytes.Equal(want[:len(body)], body), "seed %d, message %d", seed, i)
			if left == 0 {
				continue
			}
			require.Equal(t, byte('d'), typ)
			require.GreaterOrEqual(t, len(want), long)
			require.GreaterOrEqual(t, len(body), n)
			require.False(t, f.Buffered())
			cut++
			switch rng.IntN(3) {
			case 0:
				again(func() (err error) {
					body, err = f.Rest()
					return err
				})
				require.True(t, bytes.Equal(want, body), "seed %d, message %d", seed, i)
			case 1:
				took := rng.IntN(left + 1)
				require.True(t, bytes.Equal(want[len(body):len(body)+took], conn.data[:took]), "seed %d, message %d", seed, i)
				conn.data = conn.data[took:]
				f.Took(took)
			}
		}
		require.Positive(t, cut)
	}
}

// moodyReader reads as much as it likes, and times out now and then.
type moodyReader struct {
	rng  *rand.Rand
	data []byte
}

func (r *moodyReader) Read(p []byte) (int, error) {
	switch {
	case r.rng.IntN(4) == 0:
		return 0, os.ErrDeadlineExceeded
	case len(r.data) == 0:
		return 0, io.EOF
	}
	n := copy(p[:1+r.rng.IntN(min(len(p), 3000))], r.data)
	r.data = r.data[n:]
	return n, nil
}

// TestFramerHeadCut: the connection ends within a body of which the beginning was handed out.
func TestFramerHeadCut(t *testing.T) {
	t.Parallel()
	stream := frame('d', pattern(100))
	for n := 5 + 10; n < len(stream); n++ {
		for _, rest := range []bool{false, true} {
			f := NewFramer(iotest.OneByteReader(bytes.NewReader(stream[:n])), 100)
			_, body, left, err := f.Head('d', 10, 20)
			require.NoError(t, err)
			require.Len(t, body, 10)
			require.Equal(t, 90, left)
			if rest {
				_, err = f.Rest()
			} else {
				_, _, err = f.Next()
			}
			require.Equal(t, io.ErrUnexpectedEOF, err, "%d bytes", n)
		}
	}
}

func TestFramerBuffered(t *testing.T) {
	t.Parallel()
	stream := append(frame('x', pattern(10)), frame('y', pattern(10))...)
	f := NewFramer(io.MultiReader(bytes.NewReader(stream[:20]), bytes.NewReader(stream[20:])), 100)
	require.False(t, f.Buffered(), "nothing was read")
	_, _, err := f.Next()
	require.NoError(t, err)
	require.False(t, f.Buffered(), "only a part of y was read")
	_, _, err = f.Next()
	require.NoError(t, err)
	require.False(t, f.Buffered())

	f = NewFramer(bytes.NewReader(stream), 100)
	_, _, err = f.Next()
	require.NoError(t, err)
	require.True(t, f.Buffered())
}

func TestFramerNoProgress(t *testing.T) {
	t.Parallel()
	f := NewFramer(iotest.ErrReader(nil), 100)
	_, _, err := f.Next()
	require.Equal(t, io.ErrNoProgress, err)
}

func TestFramerStartup(t *testing.T) {
	t.Parallel()
	packet := []byte("\x00\x00\x00\x0c\x00\x03\x00\x00abcd")
	f := NewFramer(iotest.OneByteReader(bytes.NewReader(append(packet, frame('x', nil)...))), 100)
	body, err := f.Startup()
	require.NoError(t, err)
	require.Equal(t, packet[4:], body)
	typ, _, err := f.Next()
	require.NoError(t, err)
	require.Equal(t, byte('x'), typ)
	for _, length := range []uint32{0, 3, 4, 7, 10001, 1 << 31, 1<<32 - 1} {
		f := NewFramer(bytes.NewReader(binary.BigEndian.AppendUint32(nil, length)), 100)
		_, err := f.Startup()
		require.ErrorIs(t, err, ErrProtocol, "length %d", length)
	}
}

// loopReader gives the same bytes for ever, in pieces as a socket might.
type loopReader struct {
	data []byte
	pos  int
	max  int
}

func (r *loopReader) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), r.max)], r.data[r.pos:])
	if r.pos += n; r.pos == len(r.data) {
		r.pos = 0
	}
	return n, nil
}

func TestFramerDoesNotAllocate(t *testing.T) {
	for _, size := range []int{18, 128<<10 + 25, 512<<10 + 25} {
		f := NewFramer(&loopReader{data: frame('d', pattern(size)), max: 64 << 10}, maxCopyMessage)
		_, _, err := f.Next()
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			if _, body, err := f.Next(); err != nil || len(body) != size {
				panic("next")
			}
		}), "%d bytes", size)
		require.LessOrEqual(t, len(f.buf), 1<<20)
	}
}

func TestFrameWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewFrameWriter(&out)
	want := append(frame('d', pattern(100)), frame('c', nil)...)
	require.NoError(t, w.CopyData(pattern(100)))
	require.NoError(t, w.CopyDone())
	require.NoError(t, w.Write('d', pattern(25), pattern(300000)))
	want = append(want, frame('d', append(pattern(25), pattern(300000)...))...)
	require.True(t, bytes.Equal(want, out.Bytes()))
	w = NewFrameWriter(iotestWriter{errors.New("gone")})
	require.EqualError(t, w.CopyData(nil), "gone")
	require.EqualError(t, w.CopyData(pattern(20000)), "gone")
}

type iotestWriter struct{ err error }

func (w iotestWriter) Write(p []byte) (int, error) { return len(p), w.err }

func TestFrameWriterDoesNotAllocate(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go io.Copy(io.Discard, server)
	w := NewFrameWriter(client)
	status, head, wal := pattern(34), pattern(25), pattern(128<<10)
	require.Zero(t, testing.AllocsPerRun(50, func() {
		if w.CopyData(status) != nil || w.Write('d', head, wal) != nil {
			panic("write")
		}
	}))
}

func FuzzFramer(f *testing.F) {
	f.Add(append(frame('x', pattern(50)), frame('y', pattern(7))...), uint16(100), byte(3))
	f.Add([]byte("x\xff\xff\xff\xff"), uint16(100), byte(1))
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, step byte) {
		whole := NewFramer(bytes.NewReader(stream), int(limit))
		pieces := NewFramer(&pieceReader{stream, int(step) + 1}, int(limit))
		heads := NewFramer(&pieceReader{stream, int(step) + 1}, int(limit))
		read := 0
		for {
			typ, body, err := whole.Next()
			typ2, body2, err2 := pieces.Next()
			require.Equal(t, err, err2)
			if err != nil {
				_, _, _, err3 := heads.Head('d', 0, math.MaxInt)
				require.Equal(t, err, err3)
				break
			}
			require.Equal(t, typ, typ2)
			require.Equal(t, body, body2)
			typ3, body3, left, err := heads.Head('d', int(step), 2*int(step))
			require.NoError(t, err)
			require.Equal(t, typ, typ3)
			require.Equal(t, len(body), len(body3)+left)
			if read%2 == 0 && left > 0 {
				body3, err = heads.Rest()
				require.NoError(t, err)
			}
			require.Equal(t, body[:len(body3)], body3)
			require.LessOrEqual(t, len(body), int(limit))
			want := frame(typ, body)
			require.Equal(t, stream[read:read+len(want)], want)
			read += len(want)
		}
		require.LessOrEqual(t, len(whole.buf), max(minBuffer, int(limit)+frameHeaderLen))
	})
}

type pieceReader struct {
	data []byte
	n    int
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.n)], r.data)
	r.data = r.data[n:]
	return n, nil
}

func BenchmarkFramer(b *testing.B) {
	const size = 128<<10 + 25
	f := NewFramer(&loopReader{data: frame('d', pattern(size)), max: 1 << 20}, maxCopyMessage)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := f.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
