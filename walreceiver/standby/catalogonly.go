// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// firstUserNumber is the first number of a file that initdb does not give away (FirstNormalObjectId in
// src/include/access/transam.h). A catalog has a greater one when it was rewritten.
const firstUserNumber = 16384

// catalogFiles says which files of a primary are those of catalogs, for a mirror that has no others. Files with numbers that
// initdb gave away are; of others the primary is asked, in each database.
//
// It is asked when the snapshot has begun, and when those have ended who held an exclusive lock on a catalog then: who
// rewrites one holds such a lock until its new file is the catalog's. So a file that is older than the snapshot is in the
// answer, and of a newer one the log has everything.
type catalogFiles struct {
	primary   string
	databases map[uint32]*catalogDatabase
}

// catalogDatabase is a database of the primary.
type catalogDatabase struct {
	oid, tablespace uint32
	name            string
	connectable     bool
	rewritten       map[uint64]string // catalogs with a new file, by the file's number
}

const defaultTablespace = 1663

// keep tells whether a file of the primary's data directory is written. Of other things than relations these are what
// replay and reading need: the state of transactions, the log, the configuration.
func (c *catalogFiles) keep(name string) bool {
	dirs := strings.Split(name, "/")
	switch {
	case len(dirs) == 1:
		return name == "PG_VERSION" || name == pgdata.BackupLabelName || strings.HasSuffix(name, ".conf")
	case dirs[0] == "base" && len(dirs) == 3:
		return c.keepIn(defaultTablespace, dirs[1], dirs[2])
	case dirs[0] == "pg_tblspc" && len(dirs) == 5:
		tablespace, err := strconv.ParseUint(dirs[1], 10, 32)
		return err == nil && c.keepIn(uint32(tablespace), dirs[3], dirs[4])
	case dirs[0] == "base", dirs[0] == "pg_tblspc":
		return false
	}
	return dirs[0] == "global" || strings.HasPrefix(dirs[0], "pg_")
}

// keepIn does so for a file of a database. A database that the primary did not tell of is made by the log.
func (c *catalogFiles) keepIn(tablespace uint32, database, file string) bool {
	number, relation := pgdata.RelationNumber(file)
	if !relation || number < firstUserNumber {
		return true
	}
	oid, err := strconv.ParseUint(database, 10, 32)
	db := c.databases[uint32(oid)]
	return err == nil && db != nil && db.tablespace == tablespace && db.rewritten[number] != ""
}

// check looks whether every rewritten catalog has its file in dir, unless it has another one by now.
func (c *catalogFiles) check(ctx context.Context, dir string) error {
	for _, db := range c.databases {
		for number, catalog := range db.rewritten {
			_, err := os.Stat(filepath.Join(dir, db.path(dir), strconv.FormatUint(number, 10)))
			if errors.Is(err, fs.ErrNotExist) {
				err = c.checkGone(ctx, db, number, catalog)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// path is the directory of a database in a data directory, in the tablespace that is its own.
func (db *catalogDatabase) path(dir string) string {
	oid := strconv.FormatUint(uint64(db.oid), 10)
	if db.tablespace == defaultTablespace {
		return filepath.Join("base", oid)
	}
	space := filepath.Join("pg_tblspc", strconv.FormatUint(uint64(db.tablespace), 10))
	versions, _ := filepath.Glob(filepath.Join(dir, space, "*", oid)) // of a snapshot there is one
	if len(versions) == 0 {
		return filepath.Join(space, oid)
	}
	path, _ := filepath.Rel(dir, versions[0])
	return path
}

// checkGone looks whether a catalog has another file by now, or its database is gone.
func (c *catalogFiles) checkGone(ctx context.Context, db *catalogDatabase, number uint64, catalog string) error {
	now := *db
	if err := c.askDatabase(ctx, &now); err != nil || now.rewritten[number] == "" {
		return err
	}
	return fmt.Errorf("file %d of %s in database %s did not come with the snapshot", number, catalog, db.name)
}

// onlyCatalogs makes a backup one of catalogs alone, and mark it as such.
func onlyCatalogs(ctx context.Context, b *walreceiver.BackupConfig) {
	files, configure := catalogFiles{primary: b.ConnString}, b.Configure
	b.Keep = files.ask
	b.Configure = func(dir string) error {
		if err := configure(dir); err != nil {
			return err
		}
		if err := files.check(ctx, dir); err != nil {
			return err
		}
		return pgdata.MarkCatalogOnly(vfs.OS, dir)
	}
}
