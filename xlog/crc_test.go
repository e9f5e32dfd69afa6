// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// Every length and alignment has the checksum that the standard library gives it.
func TestRecordCRC(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 4200)
	for i := range buf {
		buf[i] = byte(rnd.Uint32())
	}
	compared := 0
	for n := RecordHeaderSize; n < 4100; n++ {
		for at := range 16 {
			raw := buf[at : at+n : at+n]
			if got, want := RecordCRC(raw), portableCRC(raw); got != want {
				t.Fatalf("%d bytes at %d: %08X instead of %08X", n, at, got, want)
			}
			compared++
		}
	}
	t.Logf("%d checksums equal to hash/crc32's", compared)
}

func BenchmarkRecordCRC(b *testing.B) {
	for _, n := range []int{64, 128, 512, 1024, 8192} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			raw := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				RecordCRC(raw)
			}
		})
	}
}
