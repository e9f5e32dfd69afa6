// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// The seeds of the fuzz targets are records of real servers:
//
//	go test ./xlog/rmgr -run 'TestOracle|TestGreenplum' -seeds
var writeSeeds = flag.Bool("seeds", false, "write records that are compared to testdata/fuzz")

// seeded has the seeds that were written by now, by file.
var seeded = map[string]*xlog.Record{}

const maxSeed = 600 // bytes of a record

// seed writes the record that was decoded last as a seed, unless there is one of its kind that this dialect reads, or
// it has the path of a directory.
func (o *oracle) seed(rec *xlog.Record) {
	if o.dec.kind(rec.Rmgr, rec.RmgrInfo()) == nil {
		return
	}
	body := o.dec.Body()
	target := filepath.Join("testdata", "fuzz", "Fuzz"+o.dec.RmgrName(rec.Rmgr))
	kind := o.dec.Name(rec.Rmgr, rec.Info)
	var blocks [2][]byte
	for i := range body.Blocks {
		if b := &body.Blocks[i]; b.ID < 2 {
			blocks[b.ID] = b.Data
		}
	}
	if len(blocks[0])+len(blocks[1]) > 0 {
		kind += "-data"
	}
	size := len(body.Main) + len(blocks[0]) + len(blocks[1])
	_, hasPath := o.dec.kind(rec.Rmgr, rec.RmgrInfo()).payload.(*TablespaceCreate)
	if size > maxSeed || hasPath || o.reads(seeded[filepath.Join(target, kind)]) {
		return
	}
	text := fmt.Sprintf("go test fuzz v1\nbyte(%q)\n[]byte(%q)\n[]byte(%q)\n[]byte(%q)\n",
		rune(rec.RmgrInfo()), body.Main, blocks[0], blocks[1])
	name := filepath.Join(target, fmt.Sprintf("%s-%s", o.origin(), kind))
	if os.MkdirAll(target, 0o755) == nil && os.WriteFile(name, []byte(text), 0o644) == nil {
		seeded[filepath.Join(target, kind)] = rec.Clone()
	}
}

// reads tells whether a seed's layout is that of the dialect. It may be nil.
func (o *oracle) reads(seed *xlog.Record) bool {
	if seed == nil {
		return false
	}
	other := NewDecoder(o.dec.Dialect)
	_, err := other.Decode(seed)
	return err == nil && other.in.left() < 8
}

// origin says which servers write the dialect: gp, pg12.
func (o *oracle) origin() string {
	if d := o.dec.Dialect; d.Flavour() == xlog.PostgreSQL {
		return fmt.Sprintf("pg%d", d.Base())
	}
	return "gp"
}

// Every kind of record that has a name has a payload type, in every dialect.
func TestKinds(t *testing.T) {
	for _, d := range xlog.Dialects() {
		for id, ops := range tables {
			if !d.ValidRmgr(id) {
				continue
			}
			seen := map[uint8]string{}
			for _, o := range ops(d) {
				require.Empty(t, seen[o.info], "%s %s: info %x is %s already", d, o.name, o.info, seen[o.info])
				require.Zero(t, o.info&xlog.XLRInfoMask)
				seen[o.info] = o.name
			}
			require.NotEmpty(t, seen, "%s %s", d, d.RmgrName(id))
		}
	}
}
