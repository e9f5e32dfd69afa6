// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// Every node must be the larger of its children, whatever order the slots were written in, at every page size.
func TestFSMPage(t *testing.T) {
	t.Parallel()
	for size := 1 << 10; size <= 32<<10; size *= 2 {
		rnd := rand.New(rand.NewPCG(1, uint64(size)))
		page, want := make(fsmPage, size), make(fsmPage, size)
		slots := fsmSlots(size)
		for range 2000 {
			slot, value := rnd.IntN(slots), uint8(rnd.IntN(256)>>rnd.IntN(8))
			changed := page.set(slot, value)
			require.Equal(t, want.slot(slot) != value, changed)
			want.nodes()[fsmInner(size)+slot] = value
			require.Equal(t, value, page.slot(slot))
		}
		want.rebuild()
		require.True(t, bytes.Equal(want, page), "page of %d", size)

		page.truncate(slots / 2)
		clear(want.nodes()[fsmInner(size)+slots/2:])
		want.rebuild()
		require.True(t, bytes.Equal(want, page), "truncated page of %d", size)
	}
}

// A page whose root is too low, as after a torn write, is put in order by the next value.
func TestFSMPageRepairs(t *testing.T) {
	t.Parallel()
	page := make(fsmPage, 8192)
	page.set(7, 200)
	page.nodes()[0], page.nodes()[1] = 3, 200
	require.True(t, page.set(7, 200))
	require.Equal(t, uint8(200), page.root())
}

// The pages of the map are in the order of a walk down the tree, root first.
func TestFSMBlocks(t *testing.T) {
	t.Parallel()
	d, err := xlog.DialectForVersion(150000)
	require.NoError(t, err)
	for _, size := range []uint32{1 << 10, 4 << 10, 8 << 10, 32 << 10} {
		d, err := d.WithBlockSizes(size, size)
		require.NoError(t, err)
		r := &Redo{dialect: d}
		next, slots, root := uint32(0), uint32(fsmSlots(int(size))), fsmDepth(int(size))-1
		var walk func(addr fsmAddress)
		walk = func(addr fsmAddress) {
			require.Equal(t, next, r.fsmBlock(addr), "%v of %d", addr, size)
			next++
			if addr.level == 0 {
				return
			}
			const some = 15
			for slot := range uint32(some) {
				walk(fsmAddress{addr.level - 1, addr.page*slots + slot})
			}
			next += (slots - some) * subtree(addr.level-1, slots) // the others are counted, not walked
		}
		walk(fsmAddress{level: root})
	}
}

// subtree is the number of pages of a page's whole tree.
func subtree(level int, slots uint32) uint32 {
	if level == 0 {
		return 1
	}
	return 1 + slots*subtree(level-1, slots)
}

func TestFSMCategory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free, size int
		want       uint8
	}{
		{0, 8192, 0}, {31, 8192, 0}, {32, 8192, 1}, {8159, 8192, 254}, {8160, 8192, 255}, {8191, 8192, 255},
		{127, 32768, 0}, {128, 32768, 1}, {32735, 32768, 254}, {32736, 32768, 255},
	} {
		require.Equal(t, c.want, fsmCategory(c.free, c.size), "%d of %d", c.free, c.size)
	}
}

// The slots of upper pages that stand for a range of blocks.
func TestFSMRange(t *testing.T) {
	t.Parallel()
	d, err := xlog.DialectForVersion(150000)
	require.NoError(t, err)
	r := &Redo{dialect: d}
	const n = 4069
	for _, c := range []struct {
		addr        fsmAddress
		start, last uint32
		from, to    int
	}{
		{fsmAddress{2, 0}, 0, ^uint32(0) - 1, 0, 259},
		{fsmAddress{2, 0}, n * n, ^uint32(0) - 1, 1, 259},
		{fsmAddress{1, 0}, 3 * n, ^uint32(0) - 1, 3, n - 1},
		{fsmAddress{1, 0}, 3*n + 5, 4*n - 1, 3, 3},
		{fsmAddress{1, 1}, 3 * n, ^uint32(0) - 1, 0, n - 1},
		{fsmAddress{1, 0}, n*n + 1, ^uint32(0) - 1, n, n - 1},
	} {
		from, to := r.fsmRange(c.addr, c.start, c.last)
		require.Equal(t, []int{c.from, c.to}, []int{from, to}, "%v %d-%d", c.addr, c.start, c.last)
	}
}

func TestVMPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block uint32
		want  vmPlace
	}{
		{0, vmPlace{0, 24, 0}}, {3, vmPlace{0, 24, 6}}, {4, vmPlace{0, 25, 0}},
		{32671, vmPlace{0, 8191, 6}}, {32672, vmPlace{1, 24, 0}}, {^uint32(0), vmPlace{131457, 1071, 6}},
	} {
		require.Equal(t, c.want, vmPlaceOf(c.block, 8192), "block %d", c.block)
	}
}
