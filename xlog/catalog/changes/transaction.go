// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Transaction is what a committed transaction changed in the catalogs. It belongs to whom it was given to.
type Transaction struct {
	// XID is the transaction's id; 0 for a change in place that no transaction made.
	XID      uint32
	Timeline xlog.TimelineID
	LSN      xlog.LSN  // begin of the record of the commit, or of the change in place
	End      xlog.LSN  // end of it: from here on the changes can be seen
	Time     time.Time // of the commit; zero of a change in place
	GID      string    // name of the prepared transaction that was committed; else empty
	InPlace  bool      // there is one change, which no commit was waited for
	Changes  []Change
	// Omitted is how many rows were changed besides; there was no room for them in Config.MaxBytes.
	Omitted int
}

// Op is what happened to a row.
type Op uint8

// What can happen to a row.
const (
	Insert  Op = iota
	Update     // also when the new values equal the old ones
	Delete     //
	InPlace    // the row was overwritten, without a new version
)

func (o Op) String() string { return [...]string{"insert", "update", "delete", "inplace"}[o&3] }

// MarshalText gives the String.
func (o Op) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Change is what became of one row.
type Change struct {
	Op       Op     `json:"op"`
	Database string `json:"database,omitempty"` // empty for a shared catalog
	Catalog  string `json:"catalog"`            // its name in pg_catalog
	OID      uint32 `json:"-"`                  // of the catalog, in pg_class
	Old      *Row   `json:"old,omitempty"`      // nil when there was none
	New      *Row   `json:"new,omitempty"`      // nil when there is none
}

// Row is the values of a row.
type Row struct {
	Columns []string // names, shared by the rows of a catalog
	Values  []Value
}

// Value is a value as PostgreSQL writes it as text.
type Value struct {
	Text string
	Null bool
}

// Get is a value by the name of its column.
func (r *Row) Get(column string) (Value, bool) {
	for i, name := range r.Columns {
		if name == column {
			return r.Values[i], true
		}
	}
	return Value{}, false
}
