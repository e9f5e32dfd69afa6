// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"

	"github.com/walmirror/walmirror/xlog"
)

const (
	multiXactOffsetSize = 4
	multiXactGroup      = 4                                 // members in a group, MULTIXACT_MEMBERS_PER_MEMBERGROUP
	multiXactGroupSize  = multiXactGroup + 4*multiXactGroup // a byte of flags for each, and then each id
	firstMultiXact      = 1                                 // FirstMultiXactId
	maxMultiXactOffset  = 1<<32 - 1                         // MaxMultiXactOffset
	noPage              = int64(-1)
)

// MultiXacts is pg_multixact: for each multixact the place of its first member, and the members
// (src/backend/access/transam/multixact.c).
//
//	offsets: u32 * as many as fit a page
//	members: {flags u8 * 4, xid u32 * 4} * as many as fit a page
type MultiXacts struct {
	offsets, members slru

	offsetsPerPage, membersPerPage uint32

	setsNext bool  // the place behind a multixact is noted as that of the next
	zeroed   int64 // the last page of offsets that was made, noPage before the first
	ahead    int64 // a page of offsets that was made before the record that says so, or noPage
}

func (m *MultiXacts) init(open openSLRU, d *xlog.Dialect) {
	m.offsetsPerPage = uint32(d.BlockSize()) / multiXactOffsetSize
	m.membersPerPage = uint32(d.BlockSize()) / multiXactGroupSize * multiXactGroup
	m.offsets = open("pg_multixact/offsets", m.offsetsPerPage)
	m.members = open("pg_multixact/members", m.membersPerPage)
	m.offsets.precedes = pagePrecedes(m.offsetsPerPage, firstMultiXact+1)
	m.members.precedes = pagePrecedes(m.membersPerPage, 0)
	m.setsNext = d.MultiXactSetsNextOffset()
	m.zeroed, m.ahead = noPage, noPage
}

// ZeroOffsetsPage adds a page to the offsets, unless Create did that ahead.
func (m *MultiXacts) ZeroOffsetsPage(page int64) error {
	ahead := m.ahead
	m.ahead = noPage
	if ahead == page {
		return nil
	}
	m.zeroed = page
	return m.offsets.zero(page)
}

// ZeroMembersPage adds a page to the members.
func (m *MultiXacts) ZeroMembersPage(page int64) error { return m.members.zero(page) }

// Create notes that the members of multixact id, of which there are n, begin at place offset; SetMember is to follow
// for each (RecordNewMultiXact).
func (m *MultiXacts) Create(id, offset, n uint32) error {
	m.ahead = noPage
	if !m.setsNext {
		return m.setOffset(id, offset)
	}
	next := max(id+1, firstMultiXact)
	if err := m.makeAhead(id, next); err != nil {
		return err
	}
	if err := m.setOffset(id, offset); err != nil {
		return err
	}
	return m.setOffset(next, max(offset+n, 1)) // offset 0 is never used
}

// makeAhead makes the page of the next multixact when the log, of an older minor version, does that only later.
func (m *MultiXacts) makeAhead(id, next uint32) error {
	page, nextPage := int64(id/m.offsetsPerPage), int64(next/m.offsetsPerPage)
	if page == nextPage {
		return nil
	}
	needed := m.zeroed == page
	if m.zeroed == noPage {
		there, err := m.offsets.exists(nextPage)
		if err != nil {
			return err
		}
		needed = !there
	}
	if !needed {
		return nil
	}
	m.ahead, m.zeroed = nextPage, nextPage
	return m.offsets.zero(nextPage)
}

func (m *MultiXacts) setOffset(id, offset uint32) error {
	at := id % m.offsetsPerPage * multiXactOffsetSize
	p, err := m.offsets.page(int64(id / m.offsetsPerPage))
	if err != nil {
		return err
	}
	if !m.setsNext || binary.LittleEndian.Uint32(p.data[at:]) != offset {
		binary.LittleEndian.PutUint32(p.data[at:], offset)
		p.dirty = true
	}
	return nil
}

// SetMember notes a member of a multixact at a place of the members.
func (m *MultiXacts) SetMember(place, xid uint32, status uint8) error {
	page, err := m.members.change(int64(place / m.membersPerPage))
	if err != nil {
		return err
	}
	i := place % m.membersPerPage
	group := page[i/multiXactGroup*multiXactGroupSize:]
	group[i%multiXactGroup] = status
	binary.LittleEndian.PutUint32(group[multiXactGroup+4*(i%multiXactGroup):], xid)
	return nil
}

// Truncate removes the multixacts before endMulti, and the files of the members from startMembers to endMembers
// (PerformMembersTruncation, PerformOffsetsTruncation).
func (m *MultiXacts) Truncate(endMulti, startMembers, endMembers uint32) error {
	segment := func(place uint32) int64 { return int64(place / m.membersPerPage / slruSegmentPages) }
	start, end := segment(startMembers), segment(endMembers)
	gone := func(n int64) bool {
		if start <= end {
			return start <= n && n < end
		}
		return n <= segment(maxMultiXactOffset) && n >= start || n < end
	}
	if err := m.members.removeIf(gone); err != nil {
		return err
	}
	previous := endMulti - 1 // PreviousMultiXactId: the page of the end itself may not be there yet
	if previous < firstMultiXact {
		previous = 1<<32 - 1
	}
	return m.offsets.truncate(int64(previous / m.offsetsPerPage))
}
