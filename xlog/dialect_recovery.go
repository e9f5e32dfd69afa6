// SPDX-License-Identifier: Apache-2.0

package xlog

// ChecksTablespaces tells whether recovery insists, when it becomes consistent, that every tablespace is a link.
func (d *Dialect) ChecksTablespaces() bool { return d.base >= 14 }
