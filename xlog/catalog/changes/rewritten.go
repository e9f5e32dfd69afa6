// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// collect finds the rows that the transaction changed in the files, in their order, and which catalogs it has written
// anew. pg_class comes first: it says which.
func (f *Feed) collect(xids []uint32, files []touchedFile) (rows []rowChange, moved []catalogID, err error) {
	c := newCollector(f.redo, xids, f.cfg.MaxBytes)
	found := map[catalogID][]rowChange{}
	for _, file := range files {
		if file.catalog.oid != classCatalog {
			continue
		}
		if found[file.catalog], err = c.classRows(&file, f.catalogs.Visible); err != nil {
			return nil, nil, err
		}
		rewritten, err := f.rewritten(found[file.catalog])
		if err != nil {
			return nil, nil, err
		}
		for _, file := range rewritten {
			moved = append(moved, file.catalog)
			files = add(files, file)
		}
	}
	for _, file := range files {
		if _, done := found[file.catalog]; !done {
			if found[file.catalog], err = c.rows(&file); err != nil {
				return nil, nil, err
			}
		}
		rows = append(rows, found[file.catalog]...)
	}
	return rows, moved, nil
}

// rewritten lists the catalogs that have another file according to changed rows of pg_class.
func (f *Feed) rewritten(rows []rowChange) (moved []touchedFile, err error) {
	for _, row := range rows {
		if row.old == nil || row.updated == nil {
			continue
		}
		id := catalogID{row.catalog.database, firstOID(row.updated.tuple)}
		present, known := f.tables.current[id]
		if !known {
			continue // an index, say
		}
		before, err := f.fileNumbers(row.catalog, row.old)
		if err != nil {
			return nil, err
		}
		after, err := f.fileNumbers(row.catalog, row.updated)
		if err != nil {
			return nil, err
		}
		if before != after {
			present.RelNumber = uint64(after.file)
			if after.tablespace != 0 {
				present.Tablespace = after.tablespace
			}
			moved = append(moved, touchedFile{catalog: id, file: present, all: true})
		}
	}
	return moved, nil
}

// classRows is rows for pg_class. A transaction that writes pg_class itself anew overwrites rows of the new file in
// place, which nobody else sees before its commit: rows are then compared with those of the file before.
func (c *collector) classRows(file *touchedFile, visible func(bufpage.HeapTuple) (bool, error)) ([]rowChange, error) {
	if file.from.RelNumber == 0 {
		return c.rows(file)
	}
	c.visible = visible
	defer func() { c.visible = nil }()
	_, err := c.rows(&touchedFile{catalog: file.catalog, file: file.from, all: true})
	if err != nil {
		return nil, err
	}
	before := c.found
	if _, err = c.rows(&touchedFile{catalog: file.catalog, file: file.file, all: true}); err != nil {
		return nil, err
	}
	return pairByOID(file.catalog, before, c.found), nil
}

// firstOID is the first column of a row, where that is an OID.
func firstOID(t bufpage.HeapTuple) uint32 {
	if len(t.Data()) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(t.Data())
}

// fileNumbers is what a row of pg_class says of the file.
type fileNumbers struct{ file, tablespace uint32 }

func (f *Feed) fileNumbers(class catalogID, v *version) (fileNumbers, error) {
	rel, err := f.relation(class)
	if err != nil {
		return fileNumbers{}, err
	}
	row, err := rel.Deform(v.tuple)
	if err != nil {
		return fileNumbers{}, err
	}
	number := func(column string) uint32 {
		if b := row.Stored(max(rel.Column(column), 0)); len(b) == 4 {
			return binary.LittleEndian.Uint32(b)
		}
		return 0
	}
	return fileNumbers{number("relfilenode"), number("reltablespace")}, nil
}
