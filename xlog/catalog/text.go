// SPDX-License-Identifier: Apache-2.0

package catalog

import "fmt"

// Output writes the database's values. Its settings may be changed.
func (db *DB) Output() *Output {
	if db.output == nil {
		db.output = &Output{Names: newNames(db), Major: db.cat.dialect.Base(), Flavour: db.cat.dialect.Flavour()}
	}
	return db.output
}

// Text is the text of a value of the given type. See Output.Text.
func (db *DB) Text(typ uint32, raw []byte) (string, error) { return db.Output().Text(typ, raw) }

// Text is column i as PostgreSQL prints it; null tells that there is nothing to print.
func (row *Row) Text(i int) (text string, null bool, err error) {
	dst, null, err := row.AppendText(nil, i)
	return string(dst), null, err
}

// AppendText adds column i to dst as PostgreSQL prints it; null tells that there is nothing to print.
func (row *Row) AppendText(dst []byte, i int) (text []byte, null bool, err error) {
	value, err := row.Value(i)
	if err != nil || value == nil {
		return dst, err == nil, err
	}
	column := &row.rel.columns[i]
	if row.rel.db == nil {
		return dst, false, fmt.Errorf("%w: %s is open without a database", ErrNoOutput, row.rel.Name)
	}
	text, err = row.rel.db.Output().AppendText(dst, column.Type.OID, value)
	if err != nil {
		err = fmt.Errorf("%s %s, column %s: %w", row.rel.Name, row.TID, column.Name, err)
	}
	return text, false, err
}
