// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// ErrMultiXact says that the members of a multixact make no sense. It is an xlog.ErrCorrupt too.
var ErrMultiXact = fmt.Errorf("%w: multixact", xlog.ErrCorrupt)

const (
	// multiXactUpdates is the least status of a member that updates or deletes the row, and does not only lock it
	// (MultiXactStatusNoKeyUpdate; ISUPDATE_from_mxstatus).
	multiXactUpdates = 4
	// maxMultiXactMembers is how many members of a multixact are looked at: more than a server can have transactions.
	maxMultiXactMembers = 1 << 18
)

// Updater is the member of a multixact that updates or deletes the row, 0 when all only lock it
// (MultiXactIdGetUpdateXid in src/backend/access/heap/heapam.c). A multixact has one at most.
func (m *MultiXacts) Updater(id uint32) (uint32, error) {
	begin, err := m.offset(id)
	if err != nil {
		return 0, err
	}
	end, err := m.offset(max(id+1, firstMultiXact))
	if err != nil {
		return 0, err
	}
	if begin == 0 {
		return 0, fmt.Errorf("%w %d: it does not exist", ErrMultiXact, id)
	}
	place := begin
	for range maxMultiXactMembers {
		xid, status, err := m.member(place)
		if err != nil || xid != 0 && status >= multiXactUpdates {
			return xid, err
		}
		place = max(place+1, 1)
		if place == end || xid == 0 { // of the newest multixact it may not be known yet where it ends
			return 0, nil
		}
	}
	return 0, fmt.Errorf("%w %d: more than %d members", ErrMultiXact, id, maxMultiXactMembers)
}

// offset is the place of the first member, 0 for a multixact that is not there.
func (m *MultiXacts) offset(id uint32) (uint32, error) {
	there, err := m.offsets.exists(int64(id / m.offsetsPerPage))
	if err != nil || !there {
		return 0, err
	}
	p, err := m.offsets.page(int64(id / m.offsetsPerPage))
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(p.data[id%m.offsetsPerPage*multiXactOffsetSize:]), nil
}

// member is what stands at a place of the members: xid 0 behind the last.
func (m *MultiXacts) member(place uint32) (xid uint32, status uint8, err error) {
	there, err := m.members.exists(int64(place / m.membersPerPage))
	if err != nil || !there {
		return 0, 0, err
	}
	p, err := m.members.page(int64(place / m.membersPerPage))
	if err != nil {
		return 0, 0, err
	}
	i := place % m.membersPerPage
	group := p.data[i/multiXactGroup*multiXactGroupSize:]
	return binary.LittleEndian.Uint32(group[multiXactGroup+4*(i%multiXactGroup):]), group[i%multiXactGroup], nil
}
