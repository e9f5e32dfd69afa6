// SPDX-License-Identifier: Apache-2.0

package changes

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// MarshalJSON gives a row as an object with its columns in their order, each a string or null.
func (r *Row) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, name := range r.Columns {
		out.WriteByte("{,"[min(i, 1)])
		if err := enc.Encode(name); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		var value any
		if v := r.Values[i]; !v.Null {
			value = v.Text // bytes that are not UTF-8 become U+FFFD
		}
		if err := enc.Encode(value); err != nil {
			return nil, err
		}
	}
	if len(r.Columns) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Row) UnmarshalJSON(text []byte) error {
	*r = Row{}
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value *string
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("column %v: %w", name, err)
		}
		v := Value{Null: value == nil}
		if value != nil {
			v.Text = *value
		}
		r.Columns, r.Values = append(r.Columns, fmt.Sprint(name)), append(r.Values, v)
	}
	return nil
}
