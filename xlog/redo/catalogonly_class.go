// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
)

// classRow is what a row of pg_class says of a relation's file, whether or not its transaction was committed. The columns
// are the first of pg_class, and the same in all versions, but for the width of a file's number:
//
//	oid u32, relname 64, relnamespace u32, reltype u32, reloftype u32, relowner u32, relam u32,
//	relfilenode u32 (u64 in Cloudberry), reltablespace u32
type classRow struct {
	dir       databaseDir // of the database whose pg_class it is
	oid       uint32
	name      string
	namespace uint32
	locator   xlog.RelFileLocator // RelNumber is 0 for a relation without a file, or whose file the map names
	tuple     bufpage.HeapTuple   // valid as long as the row is looked at
}

// classRelation is the object id of pg_class (src/include/catalog/pg_class.h).
const classRelation = 1259

const (
	className       = 4
	classNamespace  = 68
	classFile       = 88
	classTablespace = 92 // 4 more behind a number of 64 bits
)

var errClassRow = errors.New("a row of pg_class is too short")

// classRow reads a tuple of the pg_class of the database in dir.
func (c *catalogOnly) classRow(dir databaseDir, t bufpage.HeapTuple) (*classRow, error) {
	data := t.Data()
	if len(data) < classTablespace+8 {
		return nil, errClassRow
	}
	row := &classRow{dir: dir, oid: binary.LittleEndian.Uint32(data), tuple: t}
	name, _, _ := bytes.Cut(data[className:classNamespace], []byte{0})
	row.name, row.namespace = string(name), binary.LittleEndian.Uint32(data[classNamespace:])
	row.locator = xlog.RelFileLocator{
		Tablespace: binary.LittleEndian.Uint32(data[classTablespace:]), Database: dir.database,
		RelNumber: uint64(binary.LittleEndian.Uint32(data[classFile:])),
	}
	if c.r.dialect.RelNodeSize() == 16 {
		row.locator.RelNumber = binary.LittleEndian.Uint64(data[classFile:])
		row.locator.Tablespace = binary.LittleEndian.Uint32(data[classTablespace+4:])
	}
	switch row.locator.Tablespace {
	case 0:
		row.locator.Tablespace = dir.tablespace
	case globalTablespace:
		row.locator.Database = 0
	}
	return row, nil
}

// watch looks at the page of pg_class that the record changed, if it did.
func (c *catalogOnly) watch() error {
	for i := range c.r.body.Blocks {
		ref := &c.r.body.Blocks[i]
		if ref.Fork != xlog.MainFork || ref.Rel.Database == 0 {
			continue
		}
		files, err := c.files(dirOf(ref.Rel))
		if err != nil {
			return err
		}
		if files == nil || files.class != ref.Rel.RelNumber {
			continue
		}
		if err := c.look(dirOf(ref.Rel), ref.Rel, ref.Block, c.learn); err != nil {
			return err
		}
	}
	return nil
}

// look calls fn for each row on a page of pg_class. fn may look at other pages.
func (c *catalogOnly) look(dir databaseDir, class xlog.RelFileLocator, block uint32, fn func(*classRow) error) error {
	return c.tuples(class, block, func(t bufpage.HeapTuple) error {
		row, err := c.classRow(dir, t)
		if err != nil {
			return fmt.Errorf("%s, block %d: %w", class, block, err)
		}
		return fn(row)
	})
}

// tuples calls fn for a copy of each tuple on a page, if there is that page.
func (c *catalogOnly) tuples(rel xlog.RelFileLocator, block uint32, fn func(bufpage.HeapTuple) error) error {
	n, err := c.r.store.Blocks(rel, xlog.MainFork)
	if err != nil || block >= n {
		return err
	}
	c.r.store.Begin()
	buf, err := c.r.store.Read(rel, xlog.MainFork, block)
	if err != nil {
		return err
	}
	c.page = append(c.page[:0], buf.Page...)
	page := c.page
	c.page = nil // fn may come here again
	for off := 1; off <= page.MaxOffset() && err == nil; off++ {
		if t := page.HeapTuple(off); t != nil {
			err = fn(t)
		}
	}
	c.page = page
	return err
}

// learn takes note of a row that is on a page that was changed.
func (c *catalogOnly) learn(row *classRow) error {
	known, there := c.relations[row.locator]
	if there && known != kept {
		return c.decide(row)
	}
	if _, consistent := c.r.Consistent(); there || !consistent || !row.isCatalog() || !c.isNew(row) {
		return nil
	}
	return c.check(row)
}

// isNew tells whether the record made the row.
func (c *catalogOnly) isNew(row *classRow) bool {
	return c.r.rec.XID != 0 && row.tuple.Xmin() == c.r.rec.XID && row.tuple.Infomask()&bufpage.XmaxInvalid != 0
}

// isCatalog tells whether a row is that of a catalog with a file of its own.
func (row *classRow) isCatalog() bool { return row.oid < firstUserOID && row.locator.RelNumber != 0 }

// decide keeps the file that a row names, or not.
func (c *catalogOnly) decide(row *classRow) error {
	keep, sure, err := c.isOfCatalog(row)
	if err != nil || !sure {
		return err
	}
	c.remember(relationID{row.dir, row.oid}, keep)
	if !keep {
		return c.refuse(row.locator)
	}
	c.relations[row.locator] = kept
	return nil
}

// The names of what a catalog is while it is rewritten (make_new_heap in src/backend/commands/cluster.c,
// create_toast_table in src/backend/catalog/toasting.c).
const (
	transientPrefix = "pg_temp_"
	toastPrefix     = "pg_toast_"
	toastNamespace  = 99
	publicNamespace = 2200
)

// inCatalogSchema tells whether the relation is in a schema that initdb made for its own: pg_catalog, pg_toast,
// information_schema.
func (row *classRow) inCatalogSchema() bool {
	return row.namespace < firstUserOID && row.namespace != publicNamespace
}

// isOfCatalog tells whether a row is that of a catalog, or of the new heap of one that is being rewritten, or of the TOAST
// table of that; sure is false when it cannot be told.
func (c *catalogOnly) isOfCatalog(row *classRow) (yes, sure bool, err error) {
	if row.oid < firstUserOID {
		return true, true, nil
	}
	if !row.inCatalogSchema() {
		return false, true, nil
	}
	if of, ok := numberBehind(row.name, transientPrefix); ok {
		return of < firstUserOID, true, nil
	}
	of, ok := numberBehind(strings.TrimSuffix(row.name, "_index"), toastPrefix)
	if !ok || row.namespace != toastNamespace || of < firstUserOID {
		return ok && row.namespace == toastNamespace, true, nil
	}
	return c.isTransient(relationID{row.dir, of})
}

// isTransient tells whether a relation is the new heap of a catalog.
func (c *catalogOnly) isTransient(id relationID) (yes, sure bool, err error) {
	if yes, ok := c.owners[id]; ok {
		return yes, true, nil
	}
	row, err := c.findClass(id.dir, func(row *classRow) bool { return row.oid == id.oid })
	if err != nil || row == nil {
		return false, false, err
	}
	of, ok := numberBehind(row.name, transientPrefix)
	yes = ok && of < firstUserOID && row.inCatalogSchema()
	c.remember(id, yes)
	return yes, true, nil
}

// numberBehind reads the number behind a prefix.
func numberBehind(name, prefix string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && err == nil
}

// findClass looks for a row in the whole of a database's pg_class.
func (c *catalogOnly) findClass(dir databaseDir, match func(*classRow) bool) (found *classRow, err error) {
	err = c.eachClass(dir, func(row *classRow) error {
		if found == nil && match(row) {
			found = row
		}
		return nil
	})
	return found, err
}

// eachClass calls fn for all rows of a database's pg_class.
func (c *catalogOnly) eachClass(dir databaseDir, fn func(*classRow) error) error {
	files, err := c.files(dir)
	if err != nil || files == nil {
		return err
	}
	class := xlog.RelFileLocator{Tablespace: dir.tablespace, Database: dir.database, RelNumber: files.class}
	n, err := c.r.store.Blocks(class, xlog.MainFork)
	for block := uint32(0); block < n && err == nil; block++ {
		err = c.look(dir, class, block, fn)
	}
	return err
}
