// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"fmt"
	"slices"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Transaction is what a committed transaction changed in the catalogs. It can be written as JSON, and read from it.
type Transaction struct {
	LSN      xlog.LSN        `json:"lsn"`     // begin of the record of the commit, or of the change in place
	End      xlog.LSN        `json:"end_lsn"` // end of it: from here on the changes can be seen
	Timeline xlog.TimelineID `json:"timeline"`
	// XID is the transaction's id; 0 for a change in place that no transaction made.
	XID  uint32    `json:"xid,omitempty"`
	Time time.Time `json:"time,omitzero"` // of the commit; zero of a change in place
	GID  string    `json:"gid,omitempty"` // name of the prepared transaction that was committed; else empty
	// InPlace tells that there is one change, and that it does not depend on any commit.
	InPlace bool     `json:"in_place,omitempty"`
	Changes []Change `json:"changes"`
	// Omitted is how many rows were changed besides; there was no room for them in Config.MaxBytes.
	Omitted int `json:"omitted,omitempty"`
}

// Size is the length of all values in bytes.
func (t *Transaction) Size() (n int) {
	for i := range t.Changes {
		n += t.Changes[i].Old.size() + t.Changes[i].New.size()
	}
	return n
}

// Op is what happened to a row.
type Op uint8

// What can happen to a row.
const (
	Insert Op = iota
	Update    // also when the new values equal the old ones
	Delete
	InPlace // the row was overwritten, without a new version
)

var opNames = []string{"insert", "update", "delete", "inplace"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// MarshalText gives the String.
func (o Op) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads it.
func (o *Op) UnmarshalText(text []byte) error {
	i := slices.Index(opNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is nothing that happens to a row", text)
	}
	*o = Op(i)
	return nil
}

// Change is what became of one row.
type Change struct {
	Op       Op     `json:"op"`
	Database string `json:"database,omitempty"` // empty for a shared catalog
	Catalog  string `json:"catalog"`            // its name in pg_catalog
	OID      uint32 `json:"catalog_oid"`        // of the catalog, in pg_class
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
	if i := slices.Index(r.Columns, column); i >= 0 {
		return r.Values[i], true
	}
	return Value{}, false
}

func (r *Row) size() (n int) {
	if r == nil {
		return 0
	}
	for i := range r.Values {
		n += len(r.Values[i].Text) + 32 // and what it takes besides
	}
	return n
}
