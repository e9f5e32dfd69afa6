// SPDX-License-Identifier: Apache-2.0

package xlog

// IsCustomRmgr tells whether id belongs to an extension.
func (d *Dialect) IsCustomRmgr(id RmgrID) bool { return d.customRmgrs && id >= minCustomRmgr }

// StatsBounds tells whether pg_waldump begins its statistics with the part of the log that they are of, and prints
// none of no records.
func (d *Dialect) StatsBounds() bool { return d.base >= 15 }

// StatsMaskTransaction tells whether pg_waldump's statistics count a transaction's record once whether it has optional
// parts or not; before, there are two lines of the same name.
func (d *Dialect) StatsMaskTransaction() bool { return d.base >= 14 }

// WaldumpPageLSN tells whether messages about the log's pages name the position beside the segment, and those about
// records say what length is "expected" instead of "wanted".
func (d *Dialect) WaldumpPageLSN() bool { return d.base >= 16 }
