// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A TablespaceMapping puts the tablespace that is at Old on the server at New here. Both are absolute directories.
type TablespaceMapping struct{ Old, New string }

// ParseTablespaceMapping reads OLD=NEW as pg_basebackup's --tablespace-mapping has it: an equals sign in a name is
// written \=.
func ParseTablespaceMapping(s string) (TablespaceMapping, error) {
	const stand = "\x00"
	parts := strings.Split(strings.ReplaceAll(s, `\=`, stand), "=")
	if strings.Contains(s, stand) || len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return TablespaceMapping{}, fmt.Errorf("invalid tablespace mapping %q, must be OLDDIR=NEWDIR", s)
	}
	m := TablespaceMapping{
		Old: path.Clean(strings.ReplaceAll(parts[0], stand, "=")),
		New: filepath.Clean(strings.ReplaceAll(parts[1], stand, "=")),
	}
	return m, m.validate()
}

func (m TablespaceMapping) validate() error {
	if !path.IsAbs(m.Old) {
		return fmt.Errorf("old directory is not an absolute path in tablespace mapping: %s", m.Old)
	}
	if !filepath.IsAbs(m.New) {
		return fmt.Errorf("new directory is not an absolute path in tablespace mapping: %s", m.New)
	}
	return nil
}

// A BackupTablespace is a tablespace of the server besides its data directory.
type BackupTablespace struct {
	OID      uint32
	Location string // on the server, as it reports it: without Greenplum's dbid
	Dir      string // here; what pg_tblspc/OID points at
	InPlace  bool   // it is a directory in pg_tblspc and needs no link (allow_in_place_tablespaces, BackupConfig.Keep)
	Size     int64  // bytes, the server's estimate; 0 without progress
}

// linkName is the tablespace's name in the data directory.
func (t BackupTablespace) linkName() string {
	return "pg_tblspc/" + strconv.FormatUint(uint64(t.OID), 10)
}

// tablespacePlan says where the tablespaces of one backup go.
type tablespacePlan struct {
	dataDir string // absolute
	mapping []TablespaceMapping
	dbid    int  // Greenplum's, or 0: every instance has its own directory in a location
	inPlace bool // all of them are made as directories in pg_tblspc
}

// place sets t.Dir. The server's word is checked: a location is absolute, or the name of an in-place tablespace, and
// no tablespace shares a directory with another or with the data directory.
func (p tablespacePlan) place(tablespaces []BackupTablespace) error {
	oids := map[uint32]bool{}
	for i := range tablespaces {
		t := &tablespaces[i]
		if oids[t.OID] {
			return fmt.Errorf("the server announced tablespace %d twice", t.OID)
		}
		oids[t.OID] = true
		if err := p.placeOne(t); err != nil {
			return fmt.Errorf("tablespace %d: %w", t.OID, err)
		}
		if err := p.separate(*t, tablespaces[:i]); err != nil {
			return fmt.Errorf("tablespace %d: %w", t.OID, err)
		}
	}
	return nil
}

func (p tablespacePlan) placeOne(t *BackupTablespace) error {
	if p.inPlace || t.Location == t.linkName() {
		t.InPlace = true
		t.Dir = filepath.Join(p.dataDir, filepath.FromSlash(t.linkName()))
		return nil
	}
	if !path.IsAbs(t.Location) || strings.ContainsRune(t.Location, 0) {
		return fmt.Errorf("unsafe location %q", t.Location)
	}
	t.Dir = filepath.FromSlash(path.Clean(t.Location))
	for _, m := range p.mapping {
		if path.Clean(m.Old) == path.Clean(t.Location) {
			t.Dir = filepath.Clean(m.New)
			break
		}
	}
	if p.dbid > 0 {
		t.Dir = filepath.Join(t.Dir, strconv.Itoa(p.dbid))
	}
	return nil
}

var errOverlap = errors.New("directories overlap; give it another with a tablespace mapping")

func (p tablespacePlan) separate(t BackupTablespace, others []BackupTablespace) error {
	if !t.InPlace && overlap(t.Dir, p.dataDir) {
		return fmt.Errorf("%s and the data directory %s: %w", t.Dir, p.dataDir, errOverlap)
	}
	for _, o := range others {
		if overlap(t.Dir, o.Dir) {
			return fmt.Errorf("%s and %s of tablespace %d: %w", t.Dir, o.Dir, o.OID, errOverlap)
		}
	}
	return nil
}

// overlap tells whether one of two clean absolute paths is the other or in it.
func overlap(a, b string) bool { return inside(a, b) || inside(b, a) }

func inside(p, dir string) bool {
	rel, err := filepath.Rel(dir, p)
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}

// unused are the mappings that no tablespace of the server matched: most likely a misspelt path.
func (p tablespacePlan) unused(tablespaces []BackupTablespace) []TablespaceMapping {
	var left []TablespaceMapping
	for _, m := range p.mapping {
		used := false
		for _, t := range tablespaces {
			used = used || path.Clean(m.Old) == path.Clean(t.Location)
		}
		if !used {
			left = append(left, m)
		}
	}
	return left
}

// checkLink compares a symbolic link of the data directory's archive with what the server announced. The links
// themselves are made from the announcement. expected is false for a link that was made since: replay of the log
// makes that tablespace.
func checkLink(m tarMember, tablespaces []BackupTablespace) (expected bool, err error) {
	dir, name := path.Split(m.Name)
	if dir != "pg_tblspc/" {
		return false, fmt.Errorf("%w: symbolic link %q outside pg_tblspc", ErrArchive, m.Name)
	}
	for _, t := range tablespaces {
		if t.Location == t.linkName() || strconv.FormatUint(uint64(t.OID), 10) != name {
			continue
		}
		if path.Clean(m.Link) != path.Clean(t.Location) {
			return false, fmt.Errorf("%w: link %q points at %q, announced was %q", ErrArchive, m.Name, m.Link, t.Location)
		}
		return true, nil
	}
	return false, nil
}
