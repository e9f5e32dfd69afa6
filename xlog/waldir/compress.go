// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Method is a way to compress segments.
type Method uint8

// The methods. PostgreSQL's pg_receivewal knows gzip and lz4 and the same suffixes.
const (
	NoCompression Method = iota
	Gzip
	LZ4
	Zstd
)

var methods = [...]struct {
	name, suffix string
	maxLevel     int
}{
	NoCompression: {"none", "", 0},
	Gzip:          {"gzip", ".gz", 9},
	LZ4:           {"lz4", ".lz4", 12},
	Zstd:          {"zstd", ".zst", 22},
}

// String is the method's name as in pg_receivewal --compress.
func (m Method) String() string { return methods[m].name }

func (m Method) suffix() string { return methods[m].suffix }

func methodOfSuffix(suffix string) (Method, error) {
	for m := range methods {
		if methods[m].suffix == suffix {
			return Method(m), nil
		}
	}
	return 0, fmt.Errorf("no compression method has the suffix %q", suffix)
}

// Compression is how complete segments are stored. The zero value leaves them as they are.
type Compression struct {
	Method Method
	Level  int // 0: the method's default; else as in PostgreSQL, 1 to 9 (gzip), 12 (lz4), 22 (zstd)
}

// ParseCompression reads METHOD[:LEVEL], or a level of gzip alone, where 0 means none.
func ParseCompression(s string) (Compression, error) {
	if level, err := strconv.Atoi(s); err == nil {
		if level == 0 {
			return Compression{}, nil
		}
		c := Compression{Method: Gzip, Level: level}
		return c, c.validate()
	}
	name, detail, found := strings.Cut(s, ":")
	for m := range methods {
		if methods[m].name != name {
			continue
		}
		c := Compression{Method: Method(m)}
		if !found {
			return c, nil
		}
		var err error
		if c.Level, err = strconv.Atoi(strings.TrimPrefix(detail, "level=")); err != nil {
			return c, fmt.Errorf("invalid compression level %q", detail)
		}
		return c, c.validate()
	}
	return Compression{}, fmt.Errorf("unrecognized compression algorithm %q", name)
}

func (c Compression) validate() error {
	if int(c.Method) >= len(methods) {
		return fmt.Errorf("unrecognized compression method %d", c.Method)
	}
	if c.Level < 0 || c.Level > methods[c.Method].maxLevel {
		return fmt.Errorf("compression level %d of %s is not between 0 and %d", c.Level, c.Method, methods[c.Method].maxLevel)
	}
	return nil
}

// newWriter compresses what is written to it. Its memory does not grow with the input.
func (c Compression) newWriter(w io.Writer) (io.WriteCloser, error) {
	switch c.Method {
	case Gzip:
		if c.Level == 0 {
			return gzip.NewWriter(w), nil
		}
		return gzip.NewWriterLevel(w, c.Level)
	case LZ4:
		z := lz4.NewWriter(w)
		return z, z.Apply(lz4.BlockSizeOption(lz4.Block256Kb), lz4.CompressionLevelOption(lz4Level(c.Level)))
	default:
		level := zstd.SpeedDefault
		if c.Level > 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
	}
}

const (
	zstdWindow    = 2 << 20
	zstdMaxMemory = 64 << 20 // what a frame may ask of us when it is read
)

// lz4Level maps LZ4F's levels, where up to 2 is the fast one, to those of the library, which has nine slow ones.
func lz4Level(level int) lz4.CompressionLevel {
	if level <= 2 {
		return lz4.Fast
	}
	return lz4.Level1 << (min(level, 11) - 3)
}

func (m Method) newReader(r io.Reader) (io.ReadCloser, error) {
	r = bufio.NewReaderSize(r, 64<<10)
	switch m {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err // and no *gzip.Reader that is nil
		}
		return z, nil
	case LZ4:
		return io.NopCloser(lz4.NewReader(r)), nil
	default:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdMaxMemory))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
}

// uncompressedSize is the length of the WAL in a compressed file: for gzip what its last four bytes say, as in
// pg_receivewal; else it is counted. A damaged file counts up to the damage.
func (d *Dir) uncompressedSize(e entry) (int64, error) {
	f, err := d.fs.OpenFile(d.file(e.name), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if e.method == Gzip {
		return gzipSize(f, st.Size())
	}
	z, err := e.method.newReader(io.NewSectionReader(f, 0, st.Size()))
	if err != nil {
		return 0, nil
	}
	defer z.Close()
	n, _ := io.Copy(io.Discard, io.LimitReader(z, int64(d.size)+1))
	return n, nil
}

func gzipSize(f vfs.File, length int64) (int64, error) {
	var trailer [4]byte
	if length < int64(len(trailer)) {
		return 0, nil
	}
	_, err := f.ReadAt(trailer[:], length-int64(len(trailer)))
	return int64(binary.LittleEndian.Uint32(trailer[:])), notEOF(err)
}
