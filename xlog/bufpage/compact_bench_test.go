// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// BenchmarkRepairFragmentation closes the gaps of pages like those of pgbench's largest table.
func BenchmarkRepairFragmentation(b *testing.B) {
	d, err := xlog.DialectForVersion(150000)
	require.NoError(b, err)
	r := rand.New(rand.NewPCG(1, 2))
	var pages [64]Page
	for i := range pages {
		p := make(Page, 8192)
		p.Init(0, layoutVersion)
		for range 61 {
			_, err := p.AddItem(make([]byte, 121), 0, false, true)
			require.NoError(b, err)
		}
		for range 16 {
			p.SetItemID(1+r.IntN(61), 0)
		}
		pages[i] = p
	}
	page := make(Page, 8192)
	b.ResetTimer()
	for i := range b.N {
		copy(page, pages[i%len(pages)])
		page.SetItemID(20+i%40, 0)
		require.NoError(b, page.RepairFragmentation(d))
	}
}
