// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"encoding/json"
	"time"
)

// MarshalJSON gives a row as an object with its columns in their order, each a string or null.
func (r *Row) MarshalJSON() ([]byte, error) {
	dst := []byte{'{'}
	for i, name := range r.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		if v := r.Values[i]; v.Null {
			dst = append(dst, "null"...)
		} else {
			dst = appendString(dst, v.Text)
		}
	}
	return append(dst, '}'), nil
}

// appendString appends a string of JSON; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...) // a string has no error
	}
	return append(dst, text...)
}

// MarshalJSON gives a transaction as one line, with positions as text.
func (t *Transaction) MarshalJSON() ([]byte, error) {
	line := struct {
		LSN      string     `json:"lsn"`
		End      string     `json:"end_lsn"`
		Timeline uint32     `json:"timeline"`
		XID      uint32     `json:"xid,omitempty"`
		Time     *time.Time `json:"time,omitempty"`
		GID      string     `json:"gid,omitempty"`
		InPlace  bool       `json:"in_place,omitempty"`
		Changes  []Change   `json:"changes"`
		Omitted  int        `json:"omitted,omitempty"`
	}{
		LSN: t.LSN.String(), End: t.End.String(), Timeline: uint32(t.Timeline), XID: t.XID, GID: t.GID,
		InPlace: t.InPlace, Changes: t.Changes, Omitted: t.Omitted,
	}
	if !t.Time.IsZero() {
		line.Time = &t.Time
	}
	return json.Marshal(line)
}
