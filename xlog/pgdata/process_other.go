// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package pgdata

// Where processes cannot be asked after, a lock file counts until somebody removes it.
func mayHold(int) bool { return true }

// Running tells whether a process with the file's id exists; here it cannot know and says that it does.
func (p *PIDFile) Running() bool { return true }
