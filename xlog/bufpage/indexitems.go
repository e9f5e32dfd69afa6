// SPDX-License-Identifier: Apache-2.0

package bufpage

import "github.com/walmirror/walmirror/xlog"

// IndexDelete removes an item and its line pointer; those behind move up (PageIndexTupleDelete).
func (p Page) IndexDelete(off int) error { return nil }

// IndexMultiDelete removes items and their line pointers (PageIndexMultiDelete). offs are in ascending order.
func (p Page) IndexMultiDelete(d *xlog.Dialect, offs []uint16) error { return nil }

// IndexDeleteNoCompact removes an item, and makes its line pointer unused, or removes that too when it is the last
// (PageIndexTupleDeleteNoCompact).
func (p Page) IndexDeleteNoCompact(off int) error { return nil }

// IndexOverwrite replaces an item by another in its place (PageIndexTupleOverwrite).
func (p Page) IndexOverwrite(d *xlog.Dialect, off int, item []byte) error { return nil }
