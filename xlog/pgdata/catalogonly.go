// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// catalogOnlyWord begins PG_VERSION in a directory that has the catalogs' files and no others. A server reads the file
// before anything else and stops when it does not begin with a number (ValidatePgVersion in
// src/backend/utils/init/miscinit.c), and so do pg_upgrade and pg_resetwal: the place of the mark keeps them all away.
const catalogOnlyWord = "walmirror-catalog-only"

const catalogOnlyText = catalogOnlyWord + ` %d
This directory mirrors the catalogs of a cluster of the major version above, and none of its other relations. walmirror
keeps it current and reads it. No server can start here, and it can never be activated.
`

// ErrCatalogOnly says that something cannot be done with a directory that has no other relations than catalogs.
var ErrCatalogOnly = errors.New("this directory mirrors the catalogs alone and has no data: " +
	"it cannot be activated or copied")

// MarkCatalogOnly says, in the place of PG_VERSION, that a directory has no other relations than catalogs. See
// DataDir.CatalogOnly.
func MarkCatalogOnly(fsys vfs.FS, dir string) error {
	major, err := ReadVersion(fsys, dir)
	if err != nil {
		return err
	}
	perm, err := FileMode(fsys, dir)
	if err != nil {
		return err
	}
	return writeDurably(fsys, filepath.Join(dir, versionName), fmt.Appendf(nil, catalogOnlyText, major), perm)
}

// cutCatalogOnly takes the mark off the text of PG_VERSION.
func cutCatalogOnly(text string) (version string, marked bool) {
	version, marked = strings.CutPrefix(text, catalogOnlyWord+" ")
	if marked {
		version, _, _ = strings.Cut(version, "\n")
	}
	return version, marked
}

// RelationNumber is the number of the relation that a file in a database's directory belongs to; false for other files.
func RelationNumber(file string) (uint64, bool) {
	number, _, ok := parseRelationFile(file)
	return number, ok
}

// Relations lists the relations that have files, but for the shared ones.
func (s *Store) Relations() (list []xlog.RelFileLocator, err error) {
	err = s.eachDatabase(func(db *database) error {
		for number := range db.files {
			list = append(list, xlog.RelFileLocator{
				Tablespace: db.key.tablespace, Database: db.key.database, RelNumber: number,
			})
		}
		return nil
	})
	return list, err
}
