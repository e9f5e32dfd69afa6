// SPDX-License-Identifier: Apache-2.0

package bufpage

// FreeSpace is the room in bytes for one more item, besides its line pointer (PageGetFreeSpace).
func (p Page) FreeSpace() int { return max(0, p.Upper()-p.Lower()-itemIDSize) }

// HeapFreeSpace is FreeSpace of a heap page: 0 when it cannot have another line pointer (PageGetHeapFreeSpace).
func (p Page) HeapFreeSpace() int {
	if n := p.MaxOffset(); n < MaxHeapTuples(len(p)) || p.Flags()&HasFreeLines != 0 && p.hasUnused(n) {
		return p.FreeSpace()
	}
	return 0
}

// hasUnused tells whether one of the first n line pointers is unused.
func (p Page) hasUnused(n int) bool {
	for off := 1; off <= n; off++ {
		if p.line(off).Flags() == Unused {
			return true
		}
	}
	return false
}
