// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"

	"github.com/walmirror/walmirror/xlog"
)

// ErrValue says that the bytes of a value make no sense for its type. It is an xlog.ErrCorrupt too.
var ErrValue = fmt.Errorf("%w: value", xlog.ErrCorrupt)

// ErrForm says that no tuple can be made of a value: it does not suit its column.
var ErrForm = errors.New("the value does not suit the column")

// ErrNoOutput says that the text of a type is not known here: an extension wrote its own output function in C.
var ErrNoOutput = errors.New("no text output for this type")

// TypeInfo is what there must be known of a type to find its values in a tuple: what pg_attribute repeats of pg_type
// for each column.
type TypeInfo struct {
	OID     uint32
	Len     int16 // bytes; -1 of a varlena, -2 of a string that ends with a zero byte
	ByVal   bool
	Align   byte // 'c', 's', 'i' or 'd': 1, 2, 4 or 8 bytes
	Storage byte // 'p', 'e', 'm' or 'x': plain, external, main, extended
	// NetworkOrder tells that varlenas have the headers of Greenplum. See Dialect.VarlenaNetworkOrder.
	NetworkOrder bool
}

// Alignment is Align in bytes.
func (t *TypeInfo) Alignment() int {
	switch t.Align {
	case 's':
		return 2
	case 'i':
		return 4
	case 'd':
		return 8
	}
	return 1
}

// Value is one value as it is stored. The bytes of a varlena are its payload: without header, decompressed, and
// fetched from its TOAST table; those of a string have no zero byte at their end; all others are as they are in a
// tuple, little-endian.
type Value struct {
	Raw  []byte
	Null bool
}
