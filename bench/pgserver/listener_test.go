// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"fmt"
	"testing"
)

// listener keeps what a test would have been ended with.
type listener struct {
	testing.TB
	said string
}

func (l *listener) Helper() {}
func (l *listener) Skipf(format string, args ...any) {
	l.said = "skip: " + fmt.Sprintf(format, args...)
}
func (l *listener) Fatalf(format string, args ...any) {
	l.said = "fatal: " + fmt.Sprintf(format, args...)
}
