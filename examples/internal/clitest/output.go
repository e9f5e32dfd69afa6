// SPDX-License-Identifier: Apache-2.0

// Package clitest is for the tests of the programs.
package clitest

import (
	"bytes"
	"sync"
)

// Output collects what a program prints, while the test reads it.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
