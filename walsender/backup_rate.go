// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"time"
)

// throttle keeps to MAX_RATE: eight times a second it sleeps until the time has passed that what was sent may take
// (src/backend/backup/basebackup_throttle.c).
type throttle struct {
	sample int64 // bytes that may be sent in one unit of time
	sent   int64 // since last
	last   time.Time
}

const throttleUnit = time.Second / 8

// newThrottle is for a rate in KiB/s; 0 is no limit.
func newThrottle(rate uint32) *throttle {
	return &throttle{sample: int64(rate) * 1024 * int64(throttleUnit) / int64(time.Second), last: time.Now()}
}

// wait is called when n bytes have been sent.
func (t *throttle) wait(ctx context.Context, n int) error {
	if t.sample == 0 {
		return nil
	}
	if t.sent += int64(n); t.sent < t.sample {
		return nil
	}
	due := t.last.Add(throttleUnit * time.Duration(t.sent/t.sample))
	err := sleepUntil(ctx, due)
	t.sent %= t.sample
	t.last = time.Now()
	return err
}

func sleepUntil(ctx context.Context, due time.Time) error {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
