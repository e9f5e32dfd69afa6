// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/bufpage"

// fsmPage is the binary tree on a page of a free space map (src/backend/storage/freespace/fsmpage.c). Each leaf, a slot,
// is the category of a block, or the root of a page below; each other node is the larger of its two children. The
// bytes of the page:
//
//	 0  page header
//	24  fp_next_slot i32    where a search begins
//	28  fp_nodes u8 ...     the root first, then level by level
type fsmPage bufpage.Page

const (
	fsmNextAt  = bufpage.HeaderSize
	fsmNodesAt = fsmNextAt + 4
)

func (p fsmPage) nodes() []byte { return p[fsmNodesAt:] }

// fsmInner is the number of nodes that are not leaves (NonLeafNodesPerPage), on pages of the size.
func fsmInner(pageSize int) int { return pageSize/2 - 1 }

// fsmSlots is the number of leaves (SlotsPerFSMPage).
func fsmSlots(pageSize int) int { return pageSize - fsmNodesAt - fsmInner(pageSize) }

// root is the largest value on the page (fsm_get_max_avail).
func (p fsmPage) root() uint8 { return p.nodes()[0] }

// slot is the value of a slot (fsm_get_avail).
func (p fsmPage) slot(slot int) uint8 { return p.nodes()[fsmInner(len(p))+slot] }

// resetNext makes searches begin at the first slot.
func (p fsmPage) resetNext() { clear(p[fsmNextAt:fsmNodesAt]) }

// set writes the value of a slot and all nodes above that depend on it (fsm_set_avail). It tells whether anything
// changed.
func (p fsmPage) set(slot int, value uint8) bool {
	nodes, at := p.nodes(), fsmInner(len(p))+slot
	if nodes[at] == value && value <= nodes[0] {
		return false
	}
	nodes[at] = value
	for at > 0 {
		at = (at - 1) / 2
		v := p.children(at)
		if nodes[at] == v {
			break
		}
		nodes[at] = v
	}
	if value > nodes[0] {
		p.rebuild()
	}
	return true
}

// children is the larger value of the children of a node. The last nodes have one child or none.
func (p fsmPage) children(node int) (v uint8) {
	nodes, left := p.nodes(), 2*node+1
	if left < len(nodes) {
		v = nodes[left]
	}
	if left+1 < len(nodes) {
		v = max(v, nodes[left+1])
	}
	return v
}

// rebuild computes all nodes from the slots (fsm_rebuild_page).
func (p fsmPage) rebuild() {
	for node := fsmInner(len(p)) - 1; node >= 0; node-- {
		p.nodes()[node] = p.children(node)
	}
}

// truncate clears the slots from number n on (fsm_truncate_avail).
func (p fsmPage) truncate(n int) {
	changed := false
	leaves := p.nodes()[fsmInner(len(p))+n:]
	for i := range leaves {
		changed = changed || leaves[i] != 0
		leaves[i] = 0
	}
	if changed {
		p.rebuild()
	}
}
