// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Batch takes many records apart, which then are valid at the same time, until the next Decode. With two of them one
// goroutine can take records apart while another uses those before. Nothing is allocated for a record: memory is kept from
// one Decode to the next, within limits.
type Batch struct {
	Records []Decoded // one for each record that Decode was given

	dec    *Decoder
	pools  [256]*[infos]pool // payloads for each kind of record
	used   []*pool           // those that payloads were taken from
	blocks []xlog.BlockRef   // of all records, one after another
	made   int               // payloads in all pools
	long   bool              // a record is too long for something that points into it to be kept
}

// Decoded is what a Decoder has of a record.
type Decoded struct {
	Body    xlog.Body
	Payload Payload // nil after an error
	Err     error
}

// pool is payloads for one kind of record, the first of them taken.
type pool struct {
	payloads []Payload
	taken    int
}

// Of how many payloads, and of how long records in bytes, the memory is kept.
const keepPayloads, keepRecord = 32 << 10, 1 << 20

// NewBatch makes a Batch without records.
func NewBatch(d *xlog.Dialect) *Batch { return &Batch{dec: NewDecoder(d)} }

// Decode takes records apart, which must stay as they are while the result is used. The errors are those of a Decoder.
func (b *Batch) Decode(records []xlog.Record) {
	b.reset()
	for i := range records {
		b.Records = append(b.Records, Decoded{})
		b.decode(&records[i], &b.Records[i])
	}
}

func (b *Batch) reset() {
	if b.made > keepPayloads || b.long {
		*b = Batch{dec: b.dec}
	}
	for _, p := range b.used {
		p.taken = 0
	}
	b.Records, b.used, b.blocks = b.Records[:0], b.used[:0], b.blocks[:0]
}

func (b *Batch) decode(rec *xlog.Record, d *Decoded) {
	b.long = b.long || len(rec.Raw) > keepRecord
	if cap(b.blocks)-len(b.blocks) <= xlog.MaxBlockID { // the records so far keep what they have
		b.blocks = make([]xlog.BlockRef, 0, max(2*cap(b.blocks), 1<<10))
	}
	n := len(b.blocks)
	d.Body.Blocks = b.blocks[n:]
	if d.Err = rec.Decode(&d.Body); d.Err != nil {
		return
	}
	b.blocks = b.blocks[:n+len(d.Body.Blocks)]
	k := b.dec.kind(rec.Rmgr, rec.RmgrInfo())
	if k == nil {
		d.Payload = &Unknown{Main: d.Body.Main}
		return
	}
	d.Payload, d.Err = b.dec.fill(b.take(rec, k), k, rec, &d.Body)
}

// take gives a payload that none of the records has.
func (b *Batch) take(rec *xlog.Record, k *known) Payload {
	pools := b.pools[rec.Rmgr]
	if pools == nil {
		pools = new([infos]pool)
		b.pools[rec.Rmgr] = pools
	}
	p := &pools[rec.RmgrInfo()>>4]
	if p.taken == 0 {
		b.used = append(b.used, p)
	}
	if p.taken == len(p.payloads) {
		p.payloads = append(p.payloads, k.make())
		b.made++
	}
	p.taken++
	return p.payloads[p.taken-1]
}
