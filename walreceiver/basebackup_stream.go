// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/walmirror/walmirror/protocol"
)

// sectionReader turns the events of a backup into sections, the archives and the manifest, each to be read to its
// end. Bytes are copied out of the connection's buffer once.
type sectionReader struct {
	stream *protocol.BackupStream
	chunk  []byte                // what is left of the last data
	next   *protocol.BackupEvent // what ended the section
	end    bool                  // the stream is at its end
}

// Next goes on to the next archive or to the manifest; io.EOF says that there is none. The section before must have
// been read to its end.
func (s *sectionReader) Next() (protocol.BackupEvent, error) {
	var one [1]byte
	if _, err := io.ReadFull(s, one[:]); err == nil {
		return protocol.BackupEvent{}, fmt.Errorf("%w: data after its end", ErrArchive)
	} else if !errors.Is(err, io.EOF) {
		return protocol.BackupEvent{}, err
	}
	if s.end {
		return protocol.BackupEvent{}, io.EOF
	}
	ev := *s.next
	s.next = nil
	return ev, nil
}

// Read reads the section's bytes. io.EOF is the section's end.
func (s *sectionReader) Read(p []byte) (int, error) {
	for len(s.chunk) == 0 {
		if s.next != nil || s.end {
			return 0, io.EOF
		}
		ev, err := s.stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			s.end = true
		case err != nil:
			return 0, err
		case ev.Kind == protocol.BackupData:
			s.chunk = ev.Data
		case ev.Kind != protocol.BackupProgress: // the server's own count is not needed
			next := ev
			s.next = &next
		}
	}
	n := copy(p, s.chunk)
	s.chunk = s.chunk[n:]
	return n, nil
}

// maxZstdWindow is what the highest level with long distance matching uses.
const maxZstdWindow = 128 << 20

// decompress reads an archive by its name, which ends as its compression says, and returns the rest of the name.
func decompress(name string, r io.Reader) (base string, plain io.ReadCloser, err error) {
	base, suffix, ok := strings.Cut(name, ".tar")
	if !ok {
		return "", nil, fmt.Errorf("%w: unknown archive %q", ErrArchive, name)
	}
	switch suffix {
	case "":
		return base, io.NopCloser(r), nil
	case ".gz":
		plain, err = gzip.NewReader(r)
	case ".lz4":
		plain = io.NopCloser(lz4.NewReader(r))
	case ".zst":
		plain, err = newZstdReader(r)
	default:
		err = errors.New("unknown compression")
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	return base, plain, nil
}

func newZstdReader(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}
