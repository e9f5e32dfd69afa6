// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// ErrCatalogFile says that a catalog has a file which a directory of catalogs has not got.
var ErrCatalogFile = errors.New("the file of a catalog is missing")

// catalogFiles is what the map of a database says of its catalogs' files.
type catalogFiles struct {
	class   uint64          // pg_class
	numbers map[uint64]bool // all in the map
	mapping map[uint32]uint64
}

// files reads the map of a database; nil when the directory has none, and so is not the database's own.
func (c *catalogOnly) files(dir databaseDir) (*catalogFiles, error) {
	if files, ok := c.databases[dir]; ok {
		return files, nil
	}
	mapping, err := c.r.store.ReadRelMap(dir.tablespace, dir.database)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c.databases[dir] = nil
	if err == nil {
		files := &catalogFiles{class: mapping[classRelation], mapping: mapping, numbers: map[uint64]bool{}}
		for _, number := range mapping {
			files.numbers[number] = true
		}
		c.databases[dir] = files
	}
	return c.databases[dir], nil
}

// mapped takes note of a new map: the files in it are catalogs'.
func (c *catalogOnly) mapped(p *rmgr.RelMapUpdate) error {
	dir := databaseDir{p.Tablespace, p.Database}
	before := c.databases[dir]
	delete(c.databases, dir)
	if p.Tablespace == globalTablespace {
		return nil
	}
	_, consistent := c.r.Consistent()
	for i := range p.Mappings.Len() {
		oid, number := p.Mappings.At(i)
		rel := xlog.RelFileLocator{Tablespace: p.Tablespace, Database: p.Database, RelNumber: number}
		if _, there := c.relations[rel]; there {
			c.relations[rel] = kept
		} else if before != nil && consistent && number >= firstUserOID {
			return fmt.Errorf("%w: %s, relation %d is in file %d now, and that was not kept", ErrCatalogFile, dir, oid, number)
		}
	}
	return nil
}

// copied takes note of a database's directory that was made as a copy of another.
func (c *catalogOnly) copied(to, from databaseDir) {
	c.forget(to)
	for rel, known := range c.relations {
		if dirOf(rel) == from {
			rel.Tablespace, rel.Database = to.tablespace, to.database
			c.relations[rel] = max(known, pending)
		}
	}
}

// forget takes note that a database has no such directory any more, or a new one.
func (c *catalogOnly) forget(dir databaseDir) {
	for rel := range c.relations {
		if dirOf(rel) == dir {
			delete(c.relations, rel)
		}
	}
	delete(c.databases, dir)
	delete(c.made, dir)
}
