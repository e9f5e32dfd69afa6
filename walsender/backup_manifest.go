// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"bufio"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// manifest collects backup_manifest in a temporary file (src/backend/backup/backup_manifest.c).
type manifest struct {
	algorithm string // of the files' checksums
	force     bool   // every path in hexadecimal digits
	file      *os.File
	out       *bufio.Writer // of file
	sum       hash.Hash     // of what was written
	files     int
}

// newManifest begins a manifest. Version 2, which has the system identifier, came with PostgreSQL 17.
func newManifest(o *backupOptions, major int, systemID uint64) (*manifest, error) {
	file, err := os.CreateTemp("", "backup_manifest")
	if err != nil {
		return nil, err
	}
	m := &manifest{
		algorithm: o.checksum, force: o.Manifest == protocol.ManifestForceEncode,
		file: file, out: bufio.NewWriter(file), sum: sha256.New(),
	}
	if major == 0 || major >= 17 {
		m.printf("{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": %d,\n", systemID)
	} else {
		m.printf("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n")
	}
	m.printf("\"Files\": [")
	return m, nil
}

// close removes the temporary file.
func (m *manifest) close() {
	if m != nil {
		m.file.Close()
		os.Remove(m.file.Name())
	}
}

// printf adds text to the manifest and to its checksum; an error stays with the writer.
func (m *manifest) printf(format string, args ...any) {
	fmt.Fprintf(io.MultiWriter(m.out, m.sum), format, args...)
}

// add lists a file. Its name is relative to the data directory.
func (m *manifest) add(name string, size int64, mtime time.Time, sum hash.Hash) {
	if m == nil {
		return
	}
	separator := ",\n"
	if m.files == 0 {
		separator = "\n"
	}
	m.files++
	path := "\"Path\": " + jsonString(name)
	if m.force || !utf8.ValidString(name) {
		path = "\"Encoded-Path\": \"" + hex.EncodeToString([]byte(name)) + "\""
	}
	m.printf("%s{ %s, \"Size\": %d, \"Last-Modified\": \"%s GMT\"", separator, path, size,
		mtime.UTC().Format(time.DateTime))
	if sum != nil {
		m.printf(", \"Checksum-Algorithm\": \"%s\", \"Checksum\": \"%x\"", m.algorithm, sum.Sum(nil))
	}
	m.printf(" }")
}

// ranges lists the pieces of the log that the backup needs, newest timeline first (AddWALInfoToBackupManifest).
func (m *manifest) ranges(start protocol.Position, end xlog.LSN, endTLI xlog.TimelineID, h xlog.History) error {
	m.printf("\n],\n\"WAL-Ranges\": [\n")
	ancestors := h.Ancestors
	for i, a := range ancestors {
		if a.Timeline == endTLI {
			ancestors = ancestors[:i]
			break
		}
	}
	separator := ""
	for tli := endTLI; ; separator = ",\n" {
		begin := start.LSN
		if tli != start.Timeline {
			if len(ancestors) == 0 {
				return errorf(codeInternalError, "start timeline %s not found in history of timeline %s",
					start.Timeline, endTLI)
			}
			begin = ancestors[len(ancestors)-1].LSN
		}
		m.printf("%s{ \"Timeline\": %d, \"Start-LSN\": \"%s\", \"End-LSN\": \"%s\" }", separator, tli, begin, end)
		if tli == start.Timeline {
			m.printf("\n],\n")
			return nil
		}
		last := ancestors[len(ancestors)-1]
		tli, end, ancestors = last.Timeline, last.LSN, ancestors[:len(ancestors)-1]
	}
}

// send completes the manifest with its own checksum, and sends it.
func (m *manifest) send(s *backupStream) error {
	fmt.Fprintf(m.out, "\"Manifest-Checksum\": \"%x\"}\n", m.sum.Sum(nil))
	if err := m.out.Flush(); err != nil {
		return err
	}
	if _, err := m.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := s.beginManifest(); err != nil {
		return err
	}
	if _, err := io.Copy(s, m.file); err != nil {
		return err
	}
	return s.endManifest()
}

// jsonString quotes a string as escape_json of src/backend/utils/adt/json.c does.
func jsonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&b, "\\u%04x", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// checksums make the hash of each algorithm (src/common/checksum_helper.c).
var checksums = map[string]func() hash.Hash{
	"NONE":   func() hash.Hash { return nil },
	"CRC32C": func() hash.Hash { return crc32c{crc32.New(castagnoli)} },
	"SHA224": sha256.New224,
	"SHA256": sha256.New,
	"SHA384": sha512.New384,
	"SHA512": sha512.New,
}

// crc32c writes its sum as a server has it in memory: least significant byte first.
type crc32c struct{ hash.Hash32 }

func (c crc32c) Sum(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, c.Sum32()) }

// checksumName is the name of an algorithm as manifests spell it; that of none is CRC32C.
func checksumName(name string) (string, error) {
	if name == "" {
		return "CRC32C", nil
	}
	upper := strings.ToUpper(name)
	if checksums[upper] == nil {
		return "", errorf(codeSyntaxError, "unrecognized checksum algorithm: \"%s\"", name)
	}
	return upper, nil
}
