// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// ErrManifest says that a backup manifest cannot be understood, or does not match its own checksum.
var ErrManifest = errors.New("invalid backup manifest")

// Manifest is what a backup_manifest says besides its list of files.
// The format is that of src/backend/backup/backup_manifest.c.
type Manifest struct {
	Version   int        // 1, or 2 from PostgreSQL 17 on
	SystemID  uint64     // 0 in version 1
	Files     int        // number of entries that were handed on
	WALRanges []WALRange // what must be replayed to make the backup consistent, newest timeline first
}

// WALRange is a piece of the log that a backup needs.
type WALRange struct {
	Timeline   xlog.TimelineID
	Start, End xlog.LSN
}

// ManifestFile is one entry of a manifest's list of files.
type ManifestFile struct {
	Path      string // relative to the data directory; through pg_tblspc/OID for files of a tablespace
	Size      int64  // bytes
	Algorithm ChecksumAlgorithm
	Checksum  []byte // empty for ChecksumNone
}

// ReadManifest reads a backup manifest as it arrives and hands on each file's entry. It is strict where PostgreSQL's
// own reader is (src/common/parse_manifest.c), and refuses doubled fields besides. Memory is that of one line.
// The manifest's checksum covers all lines but the last, which must hold nothing but that checksum; it is checked
// after each has been called for every file. An error of each ends the reading and is returned.
func ReadManifest(r io.Reader, each func(ManifestFile) error) (*Manifest, error) {
	p := manifestParser{s: newManifestScanner(r), each: each}
	if err := p.parse(); err != nil {
		if p.foreign {
			return nil, err
		}
		return nil, fmt.Errorf("%w: line %d: %w", ErrManifest, p.s.number, err)
	}
	return &p.m, nil
}

// manifestParser reads the grammar: one object with a version, files, WAL ranges and a checksum, in this order but
// for what the version adds in between.
type manifestParser struct {
	s       *manifestScanner
	m       Manifest
	each    func(ManifestFile) error
	seen    map[string]bool // top-level fields
	foreign bool            // the error is the callback's or the input's
}

const versionField = "PostgreSQL-Backup-Manifest-Version"

func (p *manifestParser) parse() error {
	p.seen = map[string]bool{}
	if err := p.object(p.topLevel); err != nil {
		p.foreign = p.foreign || p.s.ioErr != nil
		return err
	}
	return p.end()
}

func (p *manifestParser) topLevel(field string) error {
	if len(p.seen) == 0 && field != versionField {
		return errors.New("does not begin with its version")
	}
	if p.seen["Manifest-Checksum"] {
		return errors.New("goes on after its checksum")
	}
	if p.seen[field] {
		return fmt.Errorf("field %q twice", field)
	}
	p.seen[field] = true
	switch field {
	case versionField:
		return p.version()
	case "System-Identifier":
		return p.systemID()
	case "Files":
		return p.array(p.file)
	case "WAL-Ranges":
		return p.array(p.walRange)
	case "Manifest-Checksum":
		return p.checksum()
	}
	return fmt.Errorf("unknown field %q", field)
}

func (p *manifestParser) version() error {
	text, err := p.s.expect(tokenNumber)
	if err != nil {
		return err
	}
	if text != "1" && text != "2" {
		return fmt.Errorf("unknown version %s", text)
	}
	p.m.Version = int(text[0] - '0')
	return nil
}

func (p *manifestParser) systemID() error {
	text, err := p.s.expect(tokenNumber)
	if err != nil {
		return err
	}
	p.m.SystemID, err = strconv.ParseUint(text, 10, 64)
	return err
}

// checksum compares the last line's checksum with that of the lines before it.
func (p *manifestParser) checksum() error {
	if !bytes.HasPrefix(p.s.line, []byte(`"Manifest-Checksum"`)) {
		return errors.New("its checksum is not in a line of its own")
	}
	text, err := p.s.expect(tokenString)
	if err != nil {
		return err
	}
	want, err := hex.DecodeString(text)
	if err != nil {
		return fmt.Errorf("checksum %q: %w", text, err)
	}
	if got := p.s.sum.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("checksum is %x, should be %x", got, want)
	}
	return nil
}

func (p *manifestParser) end() error {
	for _, field := range []string{"Files", "WAL-Ranges", "Manifest-Checksum"} {
		if !p.seen[field] {
			return fmt.Errorf("no field %q", field)
		}
	}
	if !bytes.HasSuffix(p.s.line, []byte("\n")) {
		return errors.New("last line is not ended")
	}
	last := p.s.number
	if _, err := p.s.expect(tokenEnd); err != nil {
		return err
	}
	if p.s.number != last {
		return errors.New("its checksum is not in the last line")
	}
	return nil
}

// file reads one entry of Files.
func (p *manifestParser) file() error {
	fields, err := p.fields(fileFields)
	if err != nil {
		return err
	}
	f, err := fileEntry(fields)
	if err != nil {
		return err
	}
	p.m.Files++
	if p.each == nil {
		return nil
	}
	if err := p.each(f); err != nil {
		p.foreign = true
		return err
	}
	return nil
}

// The fields of an entry, each with the token it must be.
var (
	fileFields = map[string]byte{"Path": tokenString, "Encoded-Path": tokenString, "Size": tokenNumber,
		"Last-Modified": tokenString, "Checksum-Algorithm": tokenString, "Checksum": tokenString}
	rangeFields = map[string]byte{"Timeline": tokenNumber, "Start-LSN": tokenString, "End-LSN": tokenString}
)

func fileEntry(fields map[string]string) (ManifestFile, error) {
	path, err := entryPath(fields)
	if err != nil {
		return ManifestFile{}, err
	}
	f := ManifestFile{Path: path, Algorithm: ChecksumNone}
	if f.Size, err = strconv.ParseInt(fields["Size"], 10, 64); err != nil || f.Size < 0 {
		return ManifestFile{}, fmt.Errorf("%q: invalid size %q", path, fields["Size"])
	}
	name, named := fields["Checksum-Algorithm"]
	sum, summed := fields["Checksum"]
	if !named && !summed {
		return f, nil
	}
	if f.Algorithm, err = ParseChecksumAlgorithm(name); err != nil {
		return ManifestFile{}, fmt.Errorf("%q: %w", path, err)
	}
	f.Checksum, err = hex.DecodeString(sum)
	if h := f.Algorithm.newHash(); err != nil || h == nil || h.Size() != len(f.Checksum) {
		return ManifestFile{}, fmt.Errorf("%q: invalid %s checksum %q", path, f.Algorithm, sum)
	}
	return f, nil
}

// entryPath is the file's name, which the server writes in hexadecimal when it is not valid UTF-8.
func entryPath(fields map[string]string) (string, error) {
	path, plain := fields["Path"]
	encoded, hexed := fields["Encoded-Path"]
	if plain == hexed {
		return "", errors.New("a file needs one of a path and an encoded path")
	}
	if hexed {
		raw, err := hex.DecodeString(encoded)
		if err != nil {
			return "", fmt.Errorf("encoded path %q: %w", encoded, err)
		}
		path = string(raw)
	}
	if path == "" || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("invalid path %q", path)
	}
	return path, nil
}

// walRange reads one entry of WAL-Ranges.
func (p *manifestParser) walRange() error {
	fields, err := p.fields(rangeFields)
	if err != nil {
		return err
	}
	tli, err := strconv.ParseUint(fields["Timeline"], 10, 32)
	if err != nil || tli == 0 {
		return fmt.Errorf("invalid timeline %q", fields["Timeline"])
	}
	w := WALRange{Timeline: xlog.TimelineID(tli)}
	if w.Start, err = xlog.ParseLSN(fields["Start-LSN"]); err != nil {
		return err
	}
	if w.End, err = xlog.ParseLSN(fields["End-LSN"]); err != nil {
		return err
	}
	if w.End < w.Start {
		return fmt.Errorf("WAL range ends at %s before its start %s", w.End, w.Start)
	}
	if len(p.m.WALRanges) >= maxWALRanges {
		return errors.New("too many WAL ranges")
	}
	p.m.WALRanges = append(p.m.WALRanges, w)
	return nil
}

// maxWALRanges is more timelines than a backup can live through: there is a range for each.
const maxWALRanges = 1 << 10

// fields reads a flat object whose fields are known.
func (p *manifestParser) fields(known map[string]byte) (map[string]string, error) {
	got := make(map[string]string, len(known))
	err := p.object(func(field string) error {
		kind, ok := known[field]
		if !ok {
			return fmt.Errorf("unknown field %q", field)
		}
		if _, twice := got[field]; twice {
			return fmt.Errorf("field %q twice", field)
		}
		text, err := p.s.expect(kind)
		got[field] = text
		return err
	})
	return got, err
}

// object reads braces and what is between them; value is called behind each field's colon.
func (p *manifestParser) object(value func(field string) error) error {
	if _, err := p.s.expect('{'); err != nil {
		return err
	}
	return p.list('}', func(kind byte, field string) error {
		if kind != tokenString {
			return errUnexpected(kind, field)
		}
		if _, err := p.s.expect(':'); err != nil {
			return err
		}
		return value(field)
	})
}

// array reads brackets around objects; item is called before each of them.
func (p *manifestParser) array(item func() error) error {
	if _, err := p.s.expect('['); err != nil {
		return err
	}
	return p.list(']', func(kind byte, text string) error {
		if kind != '{' {
			return errUnexpected(kind, text)
		}
		p.s.unread('{')
		return item()
	})
}

// list reads items with commas between them up to the closing token. item gets each one's first token.
func (p *manifestParser) list(closing byte, item func(kind byte, text string) error) error {
	for first := true; ; first = false {
		kind, text, err := p.s.next()
		if err != nil {
			return err
		}
		if first && kind == closing {
			return nil
		}
		if err := item(kind, text); err != nil {
			return err
		}
		if kind, text, err = p.s.next(); err != nil || kind == closing {
			return err
		}
		if kind != ',' {
			return errUnexpected(kind, text)
		}
	}
}
