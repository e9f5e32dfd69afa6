// SPDX-License-Identifier: Apache-2.0

package bufpage

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// slowChecksum follows the definition word by word.
func slowChecksum(page []byte, block uint32) uint16 {
	sums := checksumBase
	for at := 0; at < len(page); at += 4 {
		word := binary.LittleEndian.Uint32(page[at:])
		if at == 8 {
			word &= 0xFFFF0000
		}
		sums[at/4%32] = mix(sums[at/4%32], word)
	}
	for i := range 64 {
		sums[i%32] = mix(sums[i%32], 0)
	}
	for _, s := range sums {
		block ^= s
	}
	return uint16(block%65535 + 1)
}

func TestChecksum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for size := MinPageSize; size <= MaxPageSize; size *= 2 {
		page := make([]byte, size)
		for range 20 {
			for i := range page {
				page[i] = byte(random.Uint32())
			}
			block := random.Uint32()
			require.Equal(t, slowChecksum(page, block), Checksum(page, block), "%d bytes", size)
			p := Page(page)
			p.SetChecksum(block)
			require.True(t, p.HasChecksum(block))
			p[len(p)-1] ^= 1
			require.False(t, p.HasChecksum(block))
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	page := make([]byte, 8192)
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		Checksum(page, 1)
	}
}
