// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// commit is a transaction whose commit is being applied.
type commit struct {
	tx    *Transaction
	rows  []rowChange // of tx.Changes, one by one
	moved []catalogID // catalogs that have other files from now on
}

// beforeCommit finds what the transaction changed, and how the rows were.
func (f *Feed) beforeCommit(o *redo.Observed, end *rmgr.XactEnd) error {
	xids := tree(o, end)
	if xids[0] == 0 {
		return nil // a distributed transaction that changed nothing here
	}
	fp := f.touched.take(xids)
	files, err := f.filesOf(&fp, xids[0], end)
	if err != nil || len(files) == 0 {
		return err
	}
	rows, moved, err := f.collect(xids, files)
	if err != nil || len(rows) == 0 {
		return err
	}
	f.commit = &commit{tx: f.transaction(o, xids[0]), rows: rows, moved: moved}
	f.commit.tx.Time, f.commit.tx.GID = xlog.Time(end.Time), string(end.GID)
	return f.describeOld(f.commit)
}

// afterCommit tells how the rows are, and gives the transaction away.
func (f *Feed) afterCommit() error {
	c := f.commit
	if c == nil {
		return nil
	}
	f.commit = nil
	f.renew()
	if err := f.follow(c); err != nil {
		return err
	}
	for i := range c.tx.Changes {
		if err := f.describe(&c.tx.Changes[i].New, c.rows[i].catalog, c.rows[i].updated); err != nil {
			return err
		}
	}
	f.cfg.Emit(c.tx)
	return nil
}

// follow looks up which files catalogs have, where the transaction may have changed that.
func (f *Feed) follow(c *commit) error {
	for _, row := range c.rows {
		if row.catalog.oid == databaseCatalog {
			f.tables.forget()
			return nil
		}
	}
	for _, id := range c.moved {
		if _, err := f.tables.reload(id.database); err != nil {
			return err
		}
	}
	return nil
}

// transaction begins the report of what the record says.
func (f *Feed) transaction(o *redo.Observed, xid uint32) *Transaction {
	timeline, _ := f.redo.Position()
	return &Transaction{XID: xid, Timeline: timeline, LSN: o.Record.LSN, End: o.Record.End}
}

// filesOf lists what must be looked at: the blocks that the transaction touched; all of a catalog that was written
// anew since; and everything when the transaction began before the feed did.
func (f *Feed) filesOf(fp *footprint, top uint32, end *rmgr.XactEnd) ([]touchedFile, error) {
	if f.early && precedes(top, f.begin) {
		return f.everything(end)
	}
	files := make([]touchedFile, 0, len(fp.files)+len(fp.moved))
	for _, file := range fp.files {
		present, err := f.tables.fileOf(file.catalog)
		if err != nil {
			return nil, err
		}
		if file.file != present {
			file = touchedFile{catalog: file.catalog, file: present, all: true}
		}
		files = add(files, file)
	}
	for _, m := range fp.moved {
		present, err := f.tables.fileOf(m.catalog)
		if err != nil {
			return nil, err
		}
		files = add(files, touchedFile{catalog: m.catalog, file: present, all: true, from: m.from})
	}
	return files, nil
}

// add has a catalog looked at once: in all of it, when there is a reason to. One that was dropped with its database
// has no file.
func add(files []touchedFile, file touchedFile) []touchedFile {
	for i := range files {
		if files[i].catalog != file.catalog {
			continue
		}
		if file.all {
			files[i] = file
		}
		return files
	}
	if file.file.RelNumber == 0 {
		return files
	}
	return append(files, file)
}

// everything is all blocks of all catalogs of the database in which the transaction was, or of all databases when
// that is not known, and of the shared catalogs.
func (f *Feed) everything(end *rmgr.XactEnd) ([]touchedFile, error) {
	databases := []uint32{0}
	if end.Database != 0 {
		databases = append(databases, end.Database)
	} else {
		list, err := f.catalogs.Databases()
		if err != nil {
			return nil, err
		}
		for _, db := range list {
			databases = append(databases, db.OID)
		}
	}
	var files []touchedFile
	for _, db := range databases {
		ids, err := f.tables.of(db)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			files = append(files, touchedFile{catalog: id, file: f.tables.current[id], all: true})
		}
	}
	return files, nil
}
