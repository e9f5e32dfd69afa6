// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Manifest is what a data directory should hold, by digests. Its text has a line for each file and, below that, one
// for each page of a file that consists of whole pages:
//
//	path TAB size TAB sha256
//	TAB block TAB LSN TAB first 16 digits of sha256
type Manifest map[string]*ManifestFile

// ManifestFile is a file of a Manifest.
type ManifestFile struct {
	Size  int64
	Sum   string // sha256 in hexadecimal digits
	Pages []ManifestPage
}

// ManifestPage is a page of a ManifestFile.
type ManifestPage struct{ LSN, Sum string }

// ReadManifest reads a manifest's text.
func ReadManifest(r io.Reader) (Manifest, error) {
	m := Manifest{}
	var file *ManifestFile
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		switch {
		case len(fields) == 3:
			size, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("manifest, line %d: %w", n, err)
			}
			file = &ManifestFile{Size: size, Sum: fields[2]}
			m[fields[0]] = file
		case len(fields) == 4 && fields[0] == "" && file != nil:
			file.Pages = append(file.Pages, ManifestPage{fields[2], fields[3]})
		default:
			return nil, fmt.Errorf("manifest, line %d: %q", n, lines.Text())
		}
	}
	return m, lines.Err()
}

// CompareManifest compares a data directory with a manifest (A is the manifest, B the directory). Only files below the
// directories that the manifest knows at all are looked at; the control file is not, see CompareControl.
func CompareManifest(m Manifest, dir string) (*Report, error) {
	control, err := pgdata.ReadControl(vfs.OS, dir)
	if err != nil {
		return nil, err
	}
	files, err := list(dir)
	if err != nil {
		return nil, err
	}
	c := &comparison{report: newReport(), blcksz: int(control.Blcksz), relsegSize: control.RelsegSize}
	known := m.directories()
	for _, name := range merge(m, files) {
		at, inDir := files[name]
		file := m[name]
		switch {
		case name == pgdata.ControlFileName, file == nil && (!known[top(name)] || strings.HasSuffix(name, "/")):
		case file == nil:
			c.missing(name, at, "B")
		case !inDir:
			c.report.differ(Difference{File: name, Block: -1, Text: fmt.Sprintf("only in A, %d bytes", file.Size)})
		default:
			if err := c.digests(name, file, at); err != nil {
				return nil, err
			}
		}
	}
	return c.report, nil
}

// directories are those at the top level that the manifest has files in, and one that may be empty.
func (m Manifest) directories() map[string]bool {
	dirs := map[string]bool{"pg_twophase": true}
	for name := range m {
		dirs[top(name)] = true
	}
	return dirs
}

func top(name string) string {
	first, _, _ := strings.Cut(path.Clean(name), "/")
	return first
}

// digests compares one file.
func (c *comparison) digests(name string, want *ManifestFile, at string) error {
	data, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	c.report.count(name, len(data), c.blcksz)
	if digest(data) == want.Sum {
		return nil
	}
	if int64(len(data)) != want.Size {
		c.report.differ(Difference{File: name, Block: -1, Text: fmt.Sprintf("%d bytes in A, %d in B", want.Size, len(data))})
	}
	before := c.report.Differing
	for i, page := range want.Pages {
		if at := i * c.blcksz; at+c.blcksz <= len(data) {
			c.digest(name, i, page, data[at:at+c.blcksz])
		}
	}
	if c.report.Differing == before && int64(len(data)) == want.Size {
		c.report.differ(Difference{File: name, Block: -1, Text: "the digests differ"})
	}
	return nil
}

// digest compares a page with its digest.
func (c *comparison) digest(name string, block int, want ManifestPage, page []byte) {
	sum := digest(page)[:min(len(want.Sum), 2*sha256.Size)]
	if sum == want.Sum {
		return
	}
	d := c.page(name, block, page, page)
	d.Text = fmt.Sprintf("LSN in A %s, in B %s; digest %s and %s", want.LSN, bufpage.LSN(page), want.Sum, sum)
	if bytes.Count(page, []byte{0}) == len(page) {
		d.Text += "; B is all zeros"
	}
	c.report.differ(d)
}

func digest(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}
