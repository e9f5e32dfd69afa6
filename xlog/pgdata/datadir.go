// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

var (
	// ErrIncomplete says that a directory holds a base backup that was not finished.
	ErrIncomplete = errors.New("incomplete base backup")
	// ErrNotDataDir says that a directory is not a data directory, or not one that is understood.
	ErrNotDataDir = errors.New("not a valid data directory")
)

// Names in a data directory.
const (
	// IncompleteMarker is there from the begin of a base backup to its durable end.
	IncompleteMarker = "walmirror.incomplete"
	// WALDir holds the WAL segments.
	WALDir = "pg_wal"

	versionName    = "PG_VERSION"
	tablespacesDir = "pg_tblspc"
)

// DataDir is what a data directory says about itself at the moment of Open.
type DataDir struct {
	Path        string
	Major       int // from PG_VERSION: the major version of PostgreSQL, or of that which Greenplum stands on
	Dialect     *xlog.Dialect
	SystemID    uint64
	SegmentSize xlog.SegmentSize
	Control     *ControlFile
	Tablespaces []Tablespace // in order of OID
	// CatalogOnly says that the directory has the catalogs' files and no others (MarkCatalogOnly). No server can start on it.
	CatalogOnly bool

	fsys vfs.FS
}

// A Tablespace is an entry of pg_tblspc.
type Tablespace struct {
	OID  uint32
	Path string // where the link leads; empty for a tablespace inside pg_tblspc (allow_in_place_tablespaces)
}

// Open looks at a data directory, also at one that a server works on. A base backup that was not finished is
// ErrIncomplete, whatever else is in the directory.
func Open(fsys vfs.FS, dir string) (*DataDir, error) {
	incomplete, err := IsIncomplete(fsys, dir)
	if err != nil {
		return nil, err
	}
	if incomplete {
		return nil, fmt.Errorf("%s: %w", dir, ErrIncomplete)
	}
	d := &DataDir{Path: dir, fsys: fsys}
	if d.Major, d.CatalogOnly, err = readVersion(fsys, dir); err != nil {
		return nil, err
	}
	if d.Control, err = ReadControl(fsys, dir); err != nil {
		return nil, err
	}
	if err := d.identify(); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if d.Tablespaces, err = readTablespaces(fsys, dir); err != nil {
		return nil, err
	}
	return d, nil
}

// identify fills in what follows from the control file.
func (d *DataDir) identify() error {
	c := d.Control
	dialect, err := xlog.DialectForControl(c.PgControlVersion, c.CatalogVersionNo)
	if err != nil {
		return err
	}
	if d.Dialect, err = dialect.WithBlockSizes(c.Blcksz, c.XlogBlcksz); err != nil {
		return err
	}
	if dialect.Base() != d.Major {
		return fmt.Errorf("%w: PG_VERSION says %d, the control file %s", ErrNotDataDir, d.Major, dialect)
	}
	d.SystemID, d.SegmentSize = c.SystemIdentifier, c.SegmentSize()
	return d.SegmentSize.Validate()
}

// IsIncomplete tells whether the directory holds a base backup that was not finished.
func IsIncomplete(fsys vfs.FS, dir string) (bool, error) {
	return vfs.Exists(fsys, filepath.Join(dir, IncompleteMarker))
}

// ReadVersion reads the major version in PG_VERSION (ValidatePgVersion in src/backend/utils/init/miscinit.c).
func ReadVersion(fsys vfs.FS, dir string) (int, error) {
	major, _, err := readVersion(fsys, dir)
	return major, err
}

func readVersion(fsys vfs.FS, dir string) (major int, catalogOnly bool, err error) {
	path := filepath.Join(dir, versionName)
	text, err := readPrefix(fsys, path, 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, fmt.Errorf("%w: %w", ErrNotDataDir, err)
	}
	if err != nil {
		return 0, false, err
	}
	version, catalogOnly := cutCatalogOnly(string(text))
	major, err = strconv.Atoi(strings.TrimSpace(version))
	if err != nil || major <= 0 {
		return 0, false, fmt.Errorf("%w: %s does not contain valid data: %q", ErrNotDataDir, path, text)
	}
	return major, catalogOnly, nil
}

// readTablespaces lists pg_tblspc. Other names than OIDs are left alone, as PostgreSQL does.
func readTablespaces(fsys vfs.FS, dir string) ([]Tablespace, error) {
	entries, err := fsys.ReadDir(filepath.Join(dir, tablespacesDir))
	if err != nil {
		return nil, err
	}
	var spaces []Tablespace
	for _, e := range entries {
		oid, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil || oid == 0 {
			continue
		}
		s := Tablespace{OID: uint32(oid)}
		if e.Type()&fs.ModeSymlink != 0 {
			if s.Path, err = os.Readlink(filepath.Join(dir, tablespacesDir, e.Name())); err != nil {
				return nil, err
			}
		}
		spaces = append(spaces, s)
	}
	slices.SortFunc(spaces, func(a, b Tablespace) int { return cmp.Compare(a.OID, b.OID) })
	return spaces, nil
}

// Conf is the value of a setting as the next start of a server would see it: postgresql.auto.conf comes after
// postgresql.conf. Files that those include are not read.
func (d *DataDir) Conf(name string) (value string, ok bool, err error) {
	for _, file := range []string{AutoConfName, ConfName} {
		c, err := ReadConf(d.fsys, d.Path, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", false, err
		}
		if value, ok := c.Lookup(name); ok {
			return value, true, nil
		}
	}
	return "", false, nil
}

// DBID is the gp_dbid of a Greenplum or Cloudberry instance, 0 when there is none.
func (d *DataDir) DBID() (int, error) {
	c, err := ReadConf(d.fsys, d.Path, InternalConfName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	value, ok := c.Lookup("gp_dbid")
	if !ok {
		return 0, nil
	}
	id, err := strconv.Atoi(value)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("%w: %s says gp_dbid is %q", ErrNotDataDir, InternalConfName, value)
	}
	return id, nil
}

// TablespacesNow lists pg_tblspc anew.
func (d *DataDir) TablespacesNow() ([]Tablespace, error) { return readTablespaces(d.fsys, d.Path) }

// Lock takes hold of the directory; see Acquire.
func (d *DataDir) Lock(port int) (*Lock, error) { return Acquire(d.fsys, d.Path, port) }

// WALPath is the directory of the WAL segments.
func (d *DataDir) WALPath() string { return filepath.Join(d.Path, WALDir) }
