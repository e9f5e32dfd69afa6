// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/bufpage"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// segmentIndex is an index of gp_segment_configuration: a unique btree, of a few entries on one page.
type segmentIndex struct {
	locator xlog.RelFileLocator
	root    uint32 // block of the only page with entries
	// key makes the entry's key of a row.
	key func(*catalog.SegmentConfiguration) []byte
}

// The indexes of gp_segment_configuration (src/include/catalog/indexing.h of Greenplum), which have these object ids in all
// versions.
const (
	contentRoleIndex = 7139 // gp_segment_config_content_preferred_role_index
	dbidIndex        = 7140 // gp_segment_config_dbid_index
)

// segmentIndexes finds the indexes, which must be those that are known here.
func segmentIndexes(db *catalog.DB, rel *catalog.Relation) ([]segmentIndex, error) {
	locators := map[uint32]xlog.RelFileLocator{}
	list, err := db.Relations()
	if err != nil {
		return nil, err
	}
	for _, info := range list {
		locators[info.OID] = info.Locator
	}
	pgIndex, err := db.Relation("pg_catalog.pg_index")
	if err != nil {
		return nil, err
	}
	number, table := pgIndex.Column("indexrelid"), pgIndex.Column("indrelid")
	var found []segmentIndex
	err = pgIndex.Scan(func(row *catalog.Row) error {
		of, err := row.Value(table)
		if err != nil || binary.LittleEndian.Uint32(of) != rel.OID {
			return err
		}
		oid, err := row.Value(number)
		if err != nil {
			return err
		}
		index := segmentIndex{locator: locators[binary.LittleEndian.Uint32(oid)]}
		switch n := binary.LittleEndian.Uint32(oid); n {
		case contentRoleIndex:
			index.key = contentRoleKey
		case dbidIndex:
			index.key = dbidKey
		default:
			return fmt.Errorf("%w: it has an index %d", errSegmentRows, n)
		}
		found = append(found, index)
		return nil
	})
	return found, err
}

func contentRoleKey(s *catalog.SegmentConfiguration) []byte {
	return append(binary.LittleEndian.AppendUint16(nil, uint16(s.Content)), s.PreferredRole)
}

func dbidKey(s *catalog.SegmentConfiguration) []byte {
	return binary.LittleEndian.AppendUint16(nil, uint16(s.DBID))
}

// compareKeys compares keys that begin with an int2.
func compareKeys(a, b []byte) int {
	if x, y := int16(binary.LittleEndian.Uint16(a)), int16(binary.LittleEndian.Uint16(b)); x != y {
		return int(x) - int(y)
	}
	return bytes.Compare(a[2:], b[2:])
}

const (
	btreeRootAt   = 24 + 8 // of btm_root in the metapage, behind the page's header, magic and version
	btreeLeafRoot = 0x03   // BTP_LEAF and BTP_ROOT
	btreeFlagsAt  = 12     // in BTPageOpaqueData
	maxEntry      = 16     // bytes of an entry
)

// findRoot looks whether the index has one page only, with room for an entry.
func (c *roleChange) findRoot(index *segmentIndex) error {
	meta, err := c.read(index.locator, 0)
	if err != nil {
		return err
	}
	index.root = binary.LittleEndian.Uint32(meta[btreeRootAt:])
	page, err := c.read(index.locator, index.root)
	if err != nil {
		return err
	}
	flags := binary.LittleEndian.Uint16(page.Special()[btreeFlagsAt:])
	if flags&btreeLeafRoot != btreeLeafRoot || page.FreeSpace() < maxEntry {
		return fmt.Errorf("%w: index %s has more than one page", errSegmentRows, index.locator)
	}
	return nil
}

// insertEntry adds an entry for our row, which is at tid now (_bt_insertonpg in src/backend/access/nbtree/nbtinsert.c).
func (c *roleChange) insertEntry(index segmentIndex, tid bufpage.TID) error {
	page, err := c.page(index.locator, index.root)
	if err != nil {
		return err
	}
	c.own.PreferredRole = 'p'
	key := index.key(&c.own.SegmentConfiguration)
	entry := make(bufpage.IndexTuple, bufpage.MaxAlign(bufpage.IndexHeaderSize+len(key)))
	entry.SetTID(tid)
	entry.SetSize(len(entry))
	copy(entry[bufpage.IndexHeaderSize:], key)
	offset, err := entryPlace(page, entry, len(key))
	if err != nil {
		return fmt.Errorf("%w: index %s: %w", errSegmentRows, index.locator, err)
	}
	c.rec.Begin(rmgr.Btree, rmgr.InfoBtreeInsertLeaf, c.xid)
	c.rec.Block(0, index.locator, xlog.MainFork, index.root, 0)
	c.rec.BlockData(0, entry)
	c.rec.Data(binary.LittleEndian.AppendUint16(nil, offset))
	return c.add()
}

// entryPlace is where an entry goes on the only page of an index: behind those with smaller keys, and among equal ones in
// order of their rows' places.
func entryPlace(page bufpage.Page, entry bufpage.IndexTuple, keyLen int) (uint16, error) {
	key := entry[bufpage.IndexHeaderSize : bufpage.IndexHeaderSize+keyLen]
	at := page.MaxOffset() + 1
	for off := page.MaxOffset(); off >= 1; off-- {
		t := page.IndexTuple(off)
		if len(t) < bufpage.IndexHeaderSize+keyLen || int(t.Info()) != t.Size() {
			return 0, fmt.Errorf("entry %d is of an unknown kind", off)
		}
		order := compareKeys(t[bufpage.IndexHeaderSize:bufpage.IndexHeaderSize+keyLen], key)
		if order == 0 {
			order = comparePlaces(t.TID(), entry.TID())
		}
		if order < 0 {
			break
		}
		at = off
	}
	return uint16(at), nil
}

func comparePlaces(a, b bufpage.TID) int {
	if a.Block != b.Block {
		return int(int64(a.Block) - int64(b.Block))
	}
	return int(a.Offset) - int(b.Offset)
}
