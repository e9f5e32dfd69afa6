// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is how long Run waits before it connects again: Min after the first failure, twice as long after each
// further one up to Max, and each time at random between half of that and all of it, so that many receivers do not
// come back at once. A connection that received something begins anew at Min.
type Backoff struct {
	Min, Max time.Duration // defaults 200 ms and 15 s
}

func (b Backoff) withDefaults() Backoff {
	if b.Min <= 0 {
		b.Min = 200 * time.Millisecond
	}
	if b.Max <= 0 {
		b.Max = 15 * time.Second
	}
	b.Max = max(b.Max, b.Min)
	return b
}

// delay is the wait after the given number of failures in a row, which is at least 1.
func (b Backoff) delay(failures int) time.Duration {
	d := b.Min
	for i := 1; i < failures && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
