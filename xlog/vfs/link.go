// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"io/fs"
	"os"
)

// Linker is implemented by a filesystem that has symbolic links, as tablespaces are.
type Linker interface {
	// Symlink is os.Symlink. Durable after SyncDir of the directory.
	Symlink(target, name string) error
	// Readlink is os.Readlink.
	Readlink(name string) (string, error)
	// Chmod is os.Chmod.
	Chmod(name string, mode fs.FileMode) error
}

var _ Linker = osFS{}

func (osFS) Symlink(target, name string) error         { return os.Symlink(target, name) }
func (osFS) Readlink(name string) (string, error)      { return os.Readlink(name) }
func (osFS) Chmod(name string, mode fs.FileMode) error { return os.Chmod(name, mode) }
