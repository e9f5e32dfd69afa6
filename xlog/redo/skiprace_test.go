// SPDX-License-Identifier: Apache-2.0

package redo

import "testing"

// RaceOnly tells whether nothing but races is looked for: with the race detector, which makes reading a log many times as
// expensive, and -short.
func RaceOnly() bool { return raceDetector && testing.Short() }

// skipRaceOnly leaves out a test that compares bytes, and has no goroutines that others have not.
func skipRaceOnly(t *testing.T) {
	t.Helper()
	if RaceOnly() {
		t.Skip("left out with -race and -short: it compares bytes")
	}
}
