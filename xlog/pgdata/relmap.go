// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
)

const (
	relMapName  = "pg_filenode.map" // RELMAPPER_FILENAME
	relMapMagic = 0x592717          // RELMAPPER_FILEMAGIC
	relMapHead  = 8
)

// WriteRelMap gives a database the map of its catalogs' files, pg_filenode.map; tablespace is the database's own. The
// map of the shared catalogs is that of database 0 in tablespace 1664 (write_relmap_file in
// src/backend/utils/cache/relmapper.c). It is at once on disk.
//
//	magic u32, num_mappings i32, mappings, room for more, crc u32, [pad 4]
func (s *Store) WriteRelMap(tablespace, database uint32, content []byte) error {
	content, err := s.relMap(content)
	if err != nil {
		return err
	}
	db, err := s.database(databaseKey{tablespace, database})
	if err != nil {
		return err
	}
	if err := s.beforeWrite(s.record); err != nil {
		return err
	}
	if err := s.makeDatabase(db); err != nil {
		return err
	}
	perm, err := FileMode(s.dir.fsys, s.dir.Path)
	if err != nil {
		return err
	}
	return writeDurably(s.dir.fsys, filepath.Join(db.path, relMapName), content, perm)
}

// relMap is the content of a map as it is written: the magic number and the CRC are made anew.
func (s *Store) relMap(content []byte) ([]byte, error) {
	slots, tail := s.dir.Dialect.RelMapSlots()
	mapping := 8
	if s.dir.Dialect.RelNodeSize() == 16 {
		mapping = 16
	}
	crcAt := len(content) - 4 - tail
	room := (crcAt - relMapHead) / mapping
	if crcAt < relMapHead || crcAt != relMapHead+room*mapping || slots != 0 && slots != room {
		return nil, fmt.Errorf("a relation map has not %d bytes", len(content))
	}
	if n := binary.LittleEndian.Uint32(content[4:]); n > uint32(room) {
		return nil, fmt.Errorf("a relation map of %d relations; there is room for %d", n, room)
	}
	content = append([]byte(nil), content...)
	binary.LittleEndian.PutUint32(content, relMapMagic)
	binary.LittleEndian.PutUint32(content[crcAt:], crc(content[:crcAt]))
	return content, nil
}

// RemoveRelcacheInit removes the relation cache's files, which servers make when they are missing: that of a database,
// if it is not 0, and that for the shared relations (RelationCacheInitFilePreInvalidate in
// src/backend/utils/cache/relcache.c).
func (s *Store) RemoveRelcacheInit(tablespace, database uint32) error {
	if database != 0 {
		db, err := s.database(databaseKey{tablespace, database})
		if err != nil {
			return err
		}
		if err := ignoreNotExist(s.dir.fsys.Remove(filepath.Join(db.path, relcacheInitName))); err != nil {
			return err
		}
	}
	return ignoreNotExist(s.dir.fsys.Remove(filepath.Join(s.dir.Path, "global", relcacheInitName)))
}
