// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/binary"
	"fmt"

	"github.com/walmirror/walmirror/xlog/bufpage"
)

// toastPointer says where a value is that was stored out of line (varatt_external).
type toastPointer struct {
	rawSize int    // plain size, with the four bytes of a header
	size    int    // of what the chunks hold
	method  byte   // by which it is compressed, if it is
	value   uint32 // chunk_id
	table   uint32 // OID of the TOAST table
}

const varlenaHeader = 4

func parseToastPointer(body []byte) (toastPointer, error) {
	p := toastPointer{
		rawSize: int(int32(binary.LittleEndian.Uint32(body))), value: binary.LittleEndian.Uint32(body[8:]),
		table: binary.LittleEndian.Uint32(body[12:]),
	}
	p.size, p.method = splitSize(binary.LittleEndian.Uint32(body[4:]))
	if p.rawSize < varlenaHeader || p.rawSize > maxValue || p.size > p.rawSize-varlenaHeader {
		return p, fmt.Errorf("%w: a value of %d bytes out of line as %d bytes", ErrValue, p.rawSize, p.size)
	}
	return p, nil
}

// compressed tells whether the chunks hold what is compressed (VARATT_EXTERNAL_IS_COMPRESSED).
func (p *toastPointer) compressed() bool { return p.size < p.rawSize-varlenaHeader }

// varlena is the payload of a stored varlena.
func (r *Relation) varlena(t *TypeInfo, stored []byte) ([]byte, error) {
	v, _, err := cutVarlena(t, stored)
	if err != nil || v.kind != externalVarlena {
		if err != nil {
			return nil, err
		}
		return v.plain()
	}
	p, err := parseToastPointer(v.body)
	if err != nil {
		return nil, err
	}
	content, err := r.fetch(&p)
	if err != nil {
		return nil, err
	}
	return p.plain(content)
}

// plain is the payload, of what the chunks hold.
func (p *toastPointer) plain(content []byte) ([]byte, error) {
	if !p.compressed() {
		return content, nil
	}
	// The first four bytes are those which follow the header of a compressed value in place: plain size and method.
	if len(content) < 4 {
		return nil, fmt.Errorf("%w: %d compressed bytes", ErrValue, len(content))
	}
	return decompress(p.method, content[4:], p.rawSize-varlenaHeader)
}

// fetch puts the chunks of a value together (heap_fetch_toast_slice in src/backend/access/heap/heaptoast.c).
func (r *Relation) fetch(p *toastPointer) ([]byte, error) {
	if r.db == nil {
		return nil, fmt.Errorf("%w: value %d of table %d: no database is open", ErrNoRelation, p.value, p.table)
	}
	table, err := r.db.RelationByOID(p.table)
	if err != nil {
		return nil, err
	}
	if table.Kind != KindToast || len(table.columns) != 3 {
		return nil, fmt.Errorf("%w: %s is no TOAST table", ErrValue, table.Name)
	}
	chunks := toastChunks{p: p, parts: map[uint32][]byte{}}
	if err := table.toastTuples(p.value, chunks.add); err != nil {
		return nil, err
	}
	return chunks.join()
}

// toastTuples calls fn for the rows of a value. They are visible to whom the pointer to them is
// (HeapTupleSatisfiesToast): all are good but those of a transaction that was undone.
func (r *Relation) toastTuples(value uint32, fn func(*Row) error) error {
	match := matchOID(func(oid uint32) bool { return oid == value })
	take := func(row *Row) error {
		if !match(row.tuple) || row.tuple.Infomask()&bufpage.XminFrozen == bufpage.XminInvalid {
			return nil
		}
		r.deform(row)
		return fn(row)
	}
	index, err := r.db.named(r.Namespace, r.Name+"_index")
	if err != nil {
		return err
	}
	if index == nil || index.Locator.RelNumber == 0 {
		return r.tuples(take)
	}
	tids, err := r.cat.lookup(index.Locator, value)
	if err != nil {
		return err
	}
	return r.tuplesAt(tids, take)
}

// toastChunks collects the chunks of a value.
type toastChunks struct {
	p     *toastPointer
	parts map[uint32][]byte
	size  int
}

func (c *toastChunks) add(row *Row) error {
	content, err := row.Value(2)
	if err != nil {
		return err
	}
	return c.put(row.uint32("chunk_seq"), content)
}

func (c *toastChunks) put(seq uint32, content []byte) error {
	if _, there := c.parts[seq]; there {
		return nil // of an earlier life of the same value
	}
	if c.size += len(content); c.size > c.p.size {
		return c.wrong()
	}
	c.parts[seq] = append([]byte(nil), content...)
	return nil
}

func (c *toastChunks) wrong() error {
	return fmt.Errorf("%w: value %d has %d bytes in %d chunks of table %d instead of %d", ErrValue, c.p.value, c.size,
		len(c.parts), c.p.table, c.p.size)
}

// join puts the chunks one behind the other.
func (c *toastChunks) join() ([]byte, error) {
	if c.size != c.p.size {
		return nil, c.wrong()
	}
	content := make([]byte, 0, c.size)
	for seq := range uint32(len(c.parts)) {
		part, ok := c.parts[seq]
		if !ok {
			return nil, fmt.Errorf("%w: value %d has no chunk %d in table %d", ErrValue, c.p.value, seq, c.p.table)
		}
		content = append(content, part...)
	}
	return content, nil
}
