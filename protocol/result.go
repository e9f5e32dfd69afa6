// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgproto3/v2"
)

// Result is what one command of a query returned.
type Result struct {
	Columns []Column   // nil when the command returns no rows
	Rows    [][][]byte // values in text form; nil is NULL
	Tag     string     // of CommandComplete
}

// Column describes a column of a Result. Types differ between versions of the server, for example timeline in
// IDENTIFY_SYSTEM, which is int4 before 16 and int8 from then on: read values by their text.
type Column struct {
	Name    string
	TypeOID uint32
}

// Value is the value in a row of the column with the given name; ok is false when there is no such row or column. A
// NULL is nil.
func (r *Result) Value(row int, name string) (value []byte, ok bool) {
	if row < 0 || row >= len(r.Rows) {
		return nil, false
	}
	for i, c := range r.Columns {
		if c.Name == name && i < len(r.Rows[row]) {
			return r.Rows[row][i], true
		}
	}
	return nil, false
}

// decodeColumns reads a RowDescription. It copies what it keeps.
func decodeColumns(body []byte) ([]Column, error) {
	var m pgproto3.RowDescription
	if err := m.Decode(body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	columns := make([]Column, len(m.Fields))
	for i, f := range m.Fields {
		columns[i] = Column{Name: string(f.Name), TypeOID: f.DataTypeOID}
	}
	return columns, nil
}

// decodeRow reads a DataRow with the given number of columns. It copies the values. pgproto3's decoder is not used
// because it trusts the lengths.
func decodeRow(body []byte, columns int) ([][]byte, error) {
	bad := func(what string) ([][]byte, error) {
		return nil, fmt.Errorf("%w: DataRow: %s", ErrProtocol, what)
	}
	if len(body) < 2 {
		return bad("too short")
	}
	if n := int(binary.BigEndian.Uint16(body)); n != columns {
		return bad(fmt.Sprintf("%d values for %d columns", n, columns))
	}
	body = bytes.Clone(body[2:])
	row := make([][]byte, columns)
	for i := range row {
		if len(body) < 4 {
			return bad("too short")
		}
		n := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if n == -1 {
			continue
		}
		if n < 0 || int(n) > len(body) {
			return bad("value beyond the end")
		}
		row[i] = body[:n:n]
		body = body[n:]
	}
	if len(body) != 0 {
		return bad("bytes left over")
	}
	return row, nil
}

// decodeTag reads a CommandComplete.
func decodeTag(body []byte) (string, error) {
	if !isCString(body) {
		return "", fmt.Errorf("%w: malformed CommandComplete", ErrProtocol)
	}
	return string(body[:len(body)-1]), nil
}

// decodeCopyResponse checks a CopyBothResponse, CopyInResponse or CopyOutResponse: a format, and a format for each of
// a number of columns. In replication there are none.
func decodeCopyResponse(body []byte) error {
	if len(body) < 3 || len(body) != 3+2*int(binary.BigEndian.Uint16(body[1:])) {
		return fmt.Errorf("%w: malformed copy response", ErrProtocol)
	}
	return nil
}

// decodeParameterStatus reads a name and a value.
func decodeParameterStatus(body []byte) (name, value string, err error) {
	n, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || !isCString(rest) {
		return "", "", fmt.Errorf("%w: malformed ParameterStatus", ErrProtocol)
	}
	return string(n), string(rest[:len(rest)-1]), nil
}
