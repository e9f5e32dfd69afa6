// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"encoding/binary"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walsender/pgsql"
)

// Types of the columns of replication commands.
const (
	oidBytea = pgsql.Bytea
	oidInt8  = pgsql.Int8
	oidInt4  = pgsql.Int4
	oidText  = pgsql.Text
	oidOID   = pgsql.OID
)

// sendRows sends a result in text form: its columns, its rows, in which nil is NULL, and with a tag its end. The dispatch
// of a replication command sends the tag itself.
func (c *session) sendRows(columns []protocol.Column, rows [][][]byte, tag string) error {
	if err := c.putColumns(columns, nil); err != nil {
		return err
	}
	for _, row := range rows {
		if err := c.sendRow(row); err != nil {
			return err
		}
	}
	if tag == "" {
		return nil
	}
	return c.complete(tag)
}

// putColumns adds a RowDescription. Formats are those of the columns; nil is text for all.
func (c *session) putColumns(columns []protocol.Column, formats []int16) error {
	msg := pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, column := range columns {
		msg.Fields[i] = pgproto3.FieldDescription{
			Name: []byte(column.Name), DataTypeOID: column.TypeOID, DataTypeSize: pgsql.TypeLength(column.TypeOID),
			TypeModifier: -1,
		}
		if formats != nil {
			msg.Fields[i].Format = formats[i]
		}
	}
	return c.put(&msg)
}

// putSQLColumns adds the RowDescription of a query's result. Formats are those of the columns; nil is text for all.
func (c *session) putSQLColumns(columns []pgsql.Column, formats []int16) error {
	msg := pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, column := range columns {
		msg.Fields[i] = pgproto3.FieldDescription{
			Name: []byte(column.Name), TableOID: column.Table, TableAttributeNumber: uint16(column.Num),
			DataTypeOID: column.Type, DataTypeSize: pgsql.TypeLength(column.Type), TypeModifier: column.Typmod,
		}
		if formats != nil {
			msg.Fields[i].Format = formats[i]
		}
	}
	return c.put(&msg)
}

// sendRow adds a DataRow, and sends what has come together when that is much.
func (c *session) sendRow(values [][]byte) error {
	if err := c.put(&pgproto3.DataRow{Values: values}); err != nil {
		return err
	}
	if len(c.out) < flushOut {
		return nil
	}
	return c.flush()
}

// complete adds a CommandComplete.
func (c *session) complete(tag string) error {
	return c.put(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// putError adds an ErrorResponse.
func (c *session) putError(e *protocol.Error) { c.putReport('E', e) }

// sendNotice adds a NoticeResponse, such as a warning.
func (c *session) sendNotice(e *protocol.Error) { c.putReport('N', e) }

func (c *session) putReport(typ byte, e *protocol.Error) {
	start := len(c.out)
	c.out = append(c.out, typ, 0, 0, 0, 0)
	c.out = e.Append(c.out)
	binary.BigEndian.PutUint32(c.out[start+1:], uint32(len(c.out)-start-1))
}

// setting reports the value of a setting.
func (c *session) putSetting(name, value string) error {
	return c.put(&pgproto3.ParameterStatus{Name: name, Value: value})
}
