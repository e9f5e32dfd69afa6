// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compression is how archives are compressed before they are sent (src/common/compression.c).
type compression struct {
	method  string // gzip, lz4, zstd, or empty
	level   int    // 0 is the method's default
	workers int    // is taken, and has no effect
	long    bool
}

// levels are the least and the highest level of each method.
var levels = map[string][2]int{"gzip": {1, 9}, "lz4": {1, 12}, "zstd": {-131072, 22}}

var compressionSuffixes = map[string]string{"gzip": ".gz", "lz4": ".lz4", "zstd": ".zst"}

// suffix is what is added to the name of an archive.
func (c compression) suffix() string { return compressionSuffixes[c.method] }

// compressionError has the words of PostgreSQL for a specification that it does not take.
func compressionError(format string, args ...any) error {
	return errorf(codeSyntaxError, "invalid compression specification: "+format, args...)
}

// parseCompression reads COMPRESSION and COMPRESSION_DETAIL: a level, or a list of keyword=value.
func parseCompression(method, detail string) (c compression, err error) {
	c.method = method
	if method == "none" {
		c.method = ""
	}
	if c.method != "" && c.suffix() == "" {
		return c, errorf(codeSyntaxError, "unrecognized compression algorithm: \"%s\"", method)
	}
	if detail == "" {
		return c, nil
	}
	if level, err := strconv.Atoi(detail); err == nil {
		return c, c.setLevel(level)
	}
	for _, option := range strings.Split(detail, ",") {
		keyword, value, has := strings.Cut(option, "=")
		if err := c.set(keyword, value, has); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *compression) set(keyword, value string, has bool) error {
	switch keyword {
	case "":
		return compressionError("found empty string where a compression option was expected")
	case "level":
		n, err := integerOption(keyword, value, has)
		if err != nil {
			return err
		}
		return c.setLevel(n)
	case "workers":
		n, err := integerOption(keyword, value, has)
		if err == nil && c.method != "zstd" {
			err = compressionError("compression algorithm \"%s\" does not accept a worker count", c.name())
		}
		c.workers = n
		return err
	case "long":
		return c.setLong(value, has)
	}
	return compressionError("unrecognized compression option: \"%s\"", keyword)
}

func (c *compression) setLevel(level int) error {
	limits, ok := levels[c.method]
	switch {
	case !ok && level != 0:
		return compressionError("compression algorithm \"%s\" does not accept a compression level", c.name())
	case ok && (level < limits[0] || level > limits[1]):
		return compressionError("compression algorithm \"%s\" expects a compression level between %d and %d",
			c.name(), limits[0], limits[1])
	}
	c.level = level
	return nil
}

func (c *compression) setLong(value string, has bool) error {
	if c.method != "zstd" {
		return compressionError("compression algorithm \"%s\" does not support long-distance mode", c.name())
	}
	switch strings.ToLower(value) {
	case "on", "yes", "true", "1":
		c.long = true
	case "off", "no", "false", "0":
		c.long = false
	case "":
		c.long = !has
	default:
		return compressionError("value for compression option \"long\" must be a Boolean value")
	}
	return nil
}

func (c *compression) name() string {
	if c.method == "" {
		return "none"
	}
	return c.method
}

func integerOption(keyword, value string, has bool) (int, error) {
	if !has {
		return 0, compressionError("compression option \"%s\" requires a value", keyword)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, compressionError("value for compression option \"%s\" must be an integer", keyword)
	}
	return n, nil
}

// writer compresses into w. Closing it ends the compressed stream, and leaves w open.
func (c *compression) writer(w io.Writer) (io.WriteCloser, error) {
	switch c.method {
	case "gzip":
		level := c.level
		if level == 0 {
			level = gzip.DefaultCompression
		}
		return gzip.NewWriterLevel(w, level)
	case "lz4":
		z := lz4.NewWriter(w)
		return z, z.Apply(lz4.BlockSizeOption(lz4.Block256Kb), lz4.CompressionLevelOption(lz4Level(c.level)))
	case "zstd":
		return zstd.NewWriter(w, c.zstdOptions()...)
	}
	return plainWriter{w}, nil
}

// lz4Level is a level of lz4 in the library's terms, of which the first of the thorough kind already tries more matches
// than the reference implementation's ninth.
func lz4Level(level int) lz4.CompressionLevel {
	switch {
	case level <= 1:
		return lz4.Fast
	case level <= 9:
		return lz4.Level1
	}
	return lz4.Level2
}

// zstdWindow is the window of long-distance mode: more is not taken by clients that are not asked to.
const zstdWindow = 1 << 27

// zstdOptions has nothing of workers: with more than one the library writes from goroutines of its own, and the stream
// to the client belongs to the session's.
func (c *compression) zstdOptions() []zstd.EOption {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1)}
	if c.level != 0 {
		options = append(options, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(c.level)))
	}
	if c.long {
		options = append(options, zstd.WithWindowSize(zstdWindow))
	}
	return options
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }
