// SPDX-License-Identifier: Apache-2.0

package faultfs

import "syscall"

// Op is a kind of operation.
type Op uint8

// The operations that are counted.
const (
	Any Op = iota // of a Fault: every kind
	Open
	Read
	Write
	Sync
	Truncate
	Preallocate
	Stat
	Close
	Rename
	Remove
	Mkdir
	ReadDir
	SyncDir
)

var opNames = [...]string{"any", "open", "read", "write", "sync", "truncate", "preallocate", "stat", "close", "rename",
	"remove", "mkdir", "readdir", "syncdir"}

func (o Op) String() string { return opNames[o] }

// Fault lets operations fail.
type Fault struct {
	Op    Op      // the kind it is for
	After int     // so many of that kind succeed first
	Times int     // so many fail then; 0: all
	Err   error   // what they return; nil: EIO
	Short float64 // the part of a failing write's bytes that is written nevertheless, below 1

	seen int
}

// Fail adds a fault.
func (f *FS) Fail(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.Err == nil {
		fault.Err = syscall.EIO
	}
	f.faults = append(f.faults, fault)
}

// Heal takes away the faults and the limit of space.
func (f *FS) Heal() {
	f.SetSpace(1 << 62)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// SetSpace sets how many bytes all files together may have; more is ENOSPC.
func (f *FS) SetSpace(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.space = bytes
}

// room is how long a file may become.
func (f *FS) room(n *node) int64 {
	return f.space - f.root.used() + int64(len(n.content))
}

// used is the length of all files that have a name.
func (n *node) used() int64 {
	sum := int64(len(n.content))
	for _, child := range n.names {
		sum += child.used()
	}
	return sum
}

// CrashAfter lets n more operations succeed; every later one fails with ErrCrashed and does nothing.
func (f *FS) CrashAfter(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashAt = f.ops + n
}

// Operations counts the operations so far, up to the crash.
func (f *FS) Operations() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Crashed tells whether an operation met the crash.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops > f.crashAt
}

// step begins an operation: it counts it and says whether it fails. The caller holds mu.
func (f *FS) step(op Op) error {
	_, err := f.stepFault(op)
	return err
}

func (f *FS) stepFault(op Op) (Fault, error) {
	if f.ops >= f.crashAt {
		f.ops = f.crashAt + 1
		return Fault{}, ErrCrashed
	}
	f.ops++
	var hit Fault
	for i := range f.faults {
		if fault := &f.faults[i]; (fault.Op == Any || fault.Op == op) && fault.strikes() && hit.Err == nil {
			hit = *fault
		}
	}
	return hit, hit.Err
}

// strikes counts an operation of the fault's kind and tells whether it fails.
func (f *Fault) strikes() bool {
	f.seen++
	nth := f.seen - f.After
	return nth > 0 && (f.Times == 0 || nth <= f.Times)
}
