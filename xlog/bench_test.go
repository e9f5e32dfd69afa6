// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"errors"
	"os"
	"testing"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// benchLog is 64 MiB of records of the lengths that a mixed load writes: 60 to 300 bytes, some page images, some
// records over several pages.
func benchLog(b *testing.B) (*xlogtest.Builder, string) {
	w := xlogtest.NewBuilder(xlog.Postgres15, xlog.DefaultSegmentSize, xlog.LSN(xlog.DefaultSegmentSize))
	for i := 0; w.Pos() < 5*xlog.LSN(xlog.DefaultSegmentSize)-100000; i++ {
		switch {
		case i%500 == 0:
			w.Noop(30000)
		case i%25 == 0:
			w.Noop(4000 + i%4000)
		default:
			w.Noop(60 + i*7%240)
		}
	}
	dir := b.TempDir()
	for name, data := range w.Files() {
		if err := os.WriteFile(dir+"/"+name, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return w, dir
}

// drain reads to the end and returns the number of records.
func drain(b *testing.B, r *xlog.Reader, decode bool) int {
	var body xlog.Body
	for n := 0; ; n++ {
		rec, err := r.Next()
		if err != nil {
			if !errors.Is(err, xlog.ErrZeroed) {
				b.Fatal(err)
			}
			return n
		}
		if decode {
			if err := rec.Decode(&body); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func benchReader(b *testing.B, decode bool) {
	w, dir := benchLog(b)
	src := xlog.NewDirSource(dir, w.Size)
	defer src.Close()
	cfg := config(w)
	cfg.Source = src
	b.SetBytes(int64(len(w.Bytes())))
	b.ReportAllocs()
	records := 0
	for b.Loop() {
		records += drain(b, xlog.NewReader(cfg), decode)
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}

func BenchmarkReaderFrame(b *testing.B)  { benchReader(b, false) }
func BenchmarkReaderDecode(b *testing.B) { benchReader(b, true) }

// BenchmarkVerifier is what passing the log through a Verifier costs a receiver, which has the bytes in its cache.
func BenchmarkVerifier(b *testing.B) {
	w, _ := benchLog(b)
	cfg := config(w)
	b.SetBytes(int64(len(w.Bytes())))
	b.ReportAllocs()
	for b.Loop() {
		v := xlog.NewVerifier(cfg)
		lsn := w.Start()
		for p := w.Bytes(); len(p) > 0; {
			n := min(len(p), 128<<10)
			if _, err := v.Verify(lsn, p[:n]); err != nil {
				b.Fatal(err)
			}
			p, lsn = p[n:], lsn.Add(n)
		}
	}
}

func BenchmarkBodyDecode(b *testing.B) {
	image := make([]byte, 4000)
	body := xlog.Body{
		Blocks: []xlog.BlockRef{
			{Rel: xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 16384}, Data: image[:60]},
			{ID: 1, Rel: xlog.RelFileLocator{Tablespace: 1663, Database: 5, RelNumber: 16384}, Block: 7,
				Image: xlog.Image{Data: image, HoleOffset: 200, HoleLength: 4192, Info: 0x03}},
		},
		Main: image[:14],
	}
	raw := body.Append(xlog.Postgres15, make([]byte, xlog.RecordHeaderSize))
	var got xlog.Body
	b.ReportAllocs()
	for b.Loop() {
		if err := got.Decode(xlog.Postgres15, raw); err != nil {
			b.Fatal(err)
		}
	}
}
