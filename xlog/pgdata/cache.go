// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// read gives a block of the fork from the cache or, below valid, from its files.
func (s *Store) read(f *fork, block uint32) (*Buffer, error) {
	if b := s.lookup(f, block); b != nil {
		s.stats.Hits++
		return s.lend(b), nil
	}
	b, err := s.vacant()
	if err != nil {
		return nil, err
	}
	if block >= f.valid {
		s.stats.New++
		clear(b.Page)
	} else if err := s.load(f, block, b.Page); err != nil {
		return nil, fmt.Errorf("%s, %s, block %d: %w", f.rel.loc, f.number, block, err)
	}
	s.occupy(b, f, block)
	return s.lend(b), nil
}

// overwrite gives a block of the fork with any content.
func (s *Store) overwrite(f *fork, block uint32) (*Buffer, error) {
	if b := s.lookup(f, block); b != nil {
		s.stats.Hits++
		return s.lend(b), nil
	}
	b, err := s.vacant()
	if err != nil {
		return nil, err
	}
	s.stats.New++
	s.occupy(b, f, block)
	return s.lend(b), nil
}

func (s *Store) lend(b *Buffer) *Buffer {
	b.lent, b.used = s.record, true
	return b
}

// load reads and verifies a page.
func (s *Store) load(f *fork, block uint32, page bufpage.Page) error {
	s.stats.Misses++
	if err := s.readBlock(f, block, page); err != nil {
		return err
	}
	return s.verify(page, block)
}

// verify looks at a page that was read, as a server does (PageIsVerified in src/backend/storage/page/bufpage.c).
func (s *Store) verify(page bufpage.Page, block uint32) error {
	if s.checksums && !page.HasChecksum(block) {
		return fmt.Errorf("%w: checksum %04X, computed %04X", bufpage.ErrPage,
			page.Checksum(), bufpage.Checksum(page, block))
	}
	return bufpage.Check(page)
}
