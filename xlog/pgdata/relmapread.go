// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/walmirror/walmirror/xlog"
)

// ErrRelMap says that a map of relations' files is damaged. It is an xlog.ErrCorrupt too.
var ErrRelMap = fmt.Errorf("%w: relation map", xlog.ErrCorrupt)

// ReadRelMap reads which files the catalogs of a database have whose pg_class does not say it: their OIDs and the numbers
// of their files. tablespace is the database's own; database 0 in tablespace 1664 has the map of the shared catalogs
// (read_relmap_file in src/backend/utils/cache/relmapper.c).
func (s *Store) ReadRelMap(tablespace, database uint32) (map[uint32]uint64, error) {
	path := filepath.Join(s.databasePath(databaseKey{tablespace, database}), relMapName)
	content, err := readText(s.dir.fsys, path)
	if err != nil {
		return nil, err
	}
	mappings, err := parseRelMap(content, s.dir.Dialect)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return mappings, nil
}

func parseRelMap(content []byte, d *xlog.Dialect) (map[uint32]uint64, error) {
	_, tail := d.RelMapSlots()
	size, wide := 8, d.RelNodeSize() == 16
	if wide {
		size = 16
	}
	crcAt := len(content) - 4 - tail
	if crcAt < relMapHead {
		return nil, fmt.Errorf("%w: %d bytes", ErrRelMap, len(content))
	}
	n := binary.LittleEndian.Uint32(content[4:])
	switch {
	case binary.LittleEndian.Uint32(content) != relMapMagic:
		return nil, fmt.Errorf("%w: it does not begin as it should", ErrRelMap)
	case n > uint32((crcAt-relMapHead)/size):
		return nil, fmt.Errorf("%w: %d relations in %d bytes", ErrRelMap, n, len(content))
	case binary.LittleEndian.Uint32(content[crcAt:]) != crc(content[:crcAt]):
		return nil, fmt.Errorf("%w: the CRC does not match", ErrRelMap)
	}
	mappings := make(map[uint32]uint64, n)
	for i := range int(n) {
		m := content[relMapHead+i*size:]
		number := uint64(binary.LittleEndian.Uint32(m[4:]))
		if wide {
			number = binary.LittleEndian.Uint64(m[8:])
		}
		mappings[binary.LittleEndian.Uint32(m)] = number
	}
	return mappings, nil
}
