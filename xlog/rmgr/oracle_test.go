// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/bench/walload"
	"github.com/walmirror/walmirror/xlog"
)

// TestOracle compares what this package says of every record of a load that reaches all resource managers with what
// PostgreSQL says: pg_waldump of 15, its lines and those of its option -b; the extension pg_walinspect of 16 to 18.
// Of 12 to 14, for which there is no such tool, every record must decode. There is a subtest for each resource manager:
//
//	go test ./xlog/rmgr -run 'TestOracle/17/Btree' -v
//
// The last subtest of each version counts the kinds of records that were compared. One that was not needs a reason in
// unreached.
func TestOracle(t *testing.T) {
	cov := &coverage{}
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		load := walload.Run(t, walload.Options{Major: major})
		o := &oracle{dec: NewDecoder(load.Dialect), results: map[string]*result{}, images: map[string]int{}}
		o.dec.Location = time.UTC
		switch {
		case major < 15:
			o.decodeAll(t, load)
		case major == pgserver.DefaultMajor:
			pgserver.RequireTool(t, "pg_waldump")
			o.compareWaldump(t, load)
		default:
			o.compareWalinspect(t, load)
		}
		o.report(t)
		t.Run("images", func(t *testing.T) { o.checkImages(t, major) })
		t.Run("coverage", func(t *testing.T) { cov.check(t, major, o) })
	})
	t.Logf("records compared, by version:\n%s", cov)
}

// oracle gathers the results of comparisons.
type oracle struct {
	dec     *Decoder
	results map[string]*result // by resource manager
	images  map[string]int     // by how they are stored
	line    []byte
}

// result is that of a resource manager.
type result struct {
	compared, differ int
	differences      []string       // the first few
	names            map[string]int // kinds of records that were compared
}

const showDifferences = 5

func (o *oracle) of(rec *xlog.Record) *result {
	name := o.dec.RmgrName(rec.Rmgr)
	r := o.results[name]
	if r == nil {
		r = &result{names: map[string]int{}}
		o.results[name] = r
	}
	return r
}

// compare counts a record, of which we say have and PostgreSQL says want.
func (o *oracle) compare(rec *xlog.Record, have, want string) {
	r := o.of(rec)
	r.compared++
	r.names[o.dec.Name(rec.Rmgr, rec.Info)]++
	if *writeSeeds {
		o.seed(rec)
	}
	if have == want {
		return
	}
	r.differ++
	if len(r.differences) < showDifferences {
		r.differences = append(r.differences, fmt.Sprintf("%s\nhave %s\nwant %s", rec.LSN, cut(have), cut(want)))
	}
}

// countImages notes the full-page images of the record that was decoded last.
func (o *oracle) countImages() {
	for _, b := range o.dec.Body().Blocks {
		switch {
		case b.HasImage() && b.Image.Apply:
			o.images[b.Image.Compression.String()]++
		case b.HasImage():
			o.images["for comparison"]++
		}
	}
}

// checkImages fails when the load had no image of some kind. Not every server can compress in every way; Debian's can.
func (o *oracle) checkImages(t *testing.T, major int) {
	t.Logf("%v", o.images)
	kinds := []string{"off", "pglz", "for comparison"}
	if major == pgserver.DefaultMajor {
		kinds = append(kinds, "lz4", "zstd")
	}
	for _, kind := range kinds {
		if o.images[kind] == 0 {
			t.Errorf("no image stored as %s", kind)
		}
	}
}

// cut shortens a text for people.
func cut(s string) string {
	if len(s) > 1000 {
		return s[:1000] + "..."
	}
	return s
}

// report makes a subtest for each resource manager.
func (o *oracle) report(t *testing.T) {
	for id := range xlog.RmgrID(len(tables)) {
		name := o.dec.Dialect.RmgrName(id)
		r := o.results[name]
		if r == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Logf("%d records compared, %d differ", r.compared, r.differ)
			for _, d := range r.differences {
				t.Error(d)
			}
		})
	}
}

// records calls f for every record of the load.
func records(t *testing.T, load *walload.Load, f func(rec *xlog.Record)) {
	r := xlog.NewReader(load.Config(t))
	n := 0
	for end := load.Begin; end < load.End; n++ {
		rec, err := r.Next()
		require.NoError(t, err)
		end = rec.End
		f(rec)
	}
	require.NotZero(t, n)
	t.Logf("%d records", n)
}

// ourLine is the line, or the lines, that we print for a record.
func (o *oracle) ourLine(rec *xlog.Record, details bool) string {
	var err error
	if o.line, err = o.dec.AppendLine(o.line[:0], rec, details); err != nil {
		return err.Error()
	}
	return string(o.line)
}

// decodeAll decodes and describes every record. Its parts must be as long as the whole.
func (o *oracle) decodeAll(t *testing.T, load *walload.Load) {
	records(t, load, func(rec *xlog.Record) {
		have := "decoded"
		switch p, err := o.dec.Decode(rec); {
		case err != nil:
			have = err.Error()
		case isUnknown(p):
			have = "unknown " + o.dec.Name(rec.Rmgr, rec.Info)
		default:
			o.line = p.Describe(o.line[:0], &o.dec.Printing)
			have = checkSizes(rec, o.dec.Body(), have)
		}
		o.compare(rec, have, "decoded")
		o.checkRest(rec)
		o.countImages()
	})
}

func isUnknown(p Payload) bool {
	_, ok := p.(*Unknown)
	return ok
}

// checkSizes returns ok, or what is wrong.
func checkSizes(rec *xlog.Record, b *xlog.Body, ok string) string {
	sum := uint32(len(b.Main)) + b.ImageBytes()
	for i := range b.Blocks {
		blk := &b.Blocks[i]
		sum += uint32(len(blk.Data))
		if blk.Fork > xlog.InitFork || blk.Rel.RelNumber == 0 || blk.Rel.Tablespace == 0 {
			return fmt.Sprintf("block reference %d of %s", blk.ID, blk.Rel)
		}
	}
	heads := rec.TotalLen - xlog.RecordHeaderSize - sum
	if most := uint32(len(b.Blocks)*(4+7+16) + 5 + 3 + 5); heads > most {
		return fmt.Sprintf("%d bytes of %d are nobody's", heads, rec.TotalLen)
	}
	return ok
}

// compareWaldump compares with pg_waldump's text of every timeline, the short one and the one with block references on
// lines of their own.
func (o *oracle) compareWaldump(t *testing.T, load *walload.Load) {
	short, long := waldump(t, load, false), waldump(t, load, true)
	records(t, load, func(rec *xlog.Record) {
		o.compare(rec, o.ourLine(rec, false)+o.ourLine(rec, true), short.next()+long.next())
		o.checkRest(rec)
		o.countImages()
	})
	require.Empty(t, short.next()+long.next(), "a line without a record")
}

// dumpText is the output of pg_waldump, read record by record.
type dumpText struct {
	in   *bufio.Reader
	held string // a line already read
}

func (d *dumpText) line() string {
	if s := d.held; s != "" {
		d.held = ""
		return s
	}
	s, _ := d.in.ReadString('\n')
	return s
}

// next is what the text has about the next record: a line, and those of block references that follow.
func (d *dumpText) next() string {
	text := d.line()
	for {
		s := d.line()
		if s == "" || strings.HasPrefix(s, "rmgr: ") {
			d.held = s
			return text
		}
		text += s
	}
}

// waldump runs pg_waldump on every timeline of the load.
func waldump(t *testing.T, load *walload.Load, details bool) *dumpText {
	var texts []io.Reader
	history := load.History(t)
	begin := load.Begin
	for _, sw := range history.Ancestors {
		texts = append(texts, runWaldump(t, load, sw.Timeline, begin, sw.LSN, details))
		begin = sw.LSN
	}
	texts = append(texts, runWaldump(t, load, history.Timeline, begin, load.End, details))
	return &dumpText{in: bufio.NewReader(io.MultiReader(texts...))}
}

func runWaldump(t *testing.T, load *walload.Load, tli xlog.TimelineID, begin, end xlog.LSN, details bool) io.Reader {
	args := []string{"-p", load.WALDir(), "-t", tli.String(), "-s", begin.String(), "-e", end.String()}
	if details {
		args = append(args, "-b")
	}
	cmd := load.Command(context.Background(), "pg_waldump", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	if i := bytes.Index(out, []byte("rmgr: ")); i > 0 {
		out = out[i:] // "first record is after ..."
	}
	return bytes.NewReader(out)
}

// compareWalinspect compares with the rows of pg_walinspect.
func (o *oracle) compareWalinspect(t *testing.T, load *walload.Load) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	load.SQL(t, "CREATE EXTENSION pg_walinspect")
	conn, err := load.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, fmt.Sprintf(`
		SELECT start_lsn::text, record_length::text || ' ' || main_data_length || ' ' || fpi_length || ' ' || xid,
			record_type, coalesce(description, ''), coalesce(block_ref, '')
		FROM pg_get_wal_records_info('%s', '%s')`, load.Begin, load.End))
	require.NoError(t, err)
	defer rows.Close()
	records(t, load, func(rec *xlog.Record) {
		require.True(t, rows.Next(), "no row for the record at %s: %v", rec.LSN, rows.Err())
		var lsn, sizes, name, description, blocks string
		require.NoError(t, rows.Scan(&lsn, &sizes, &name, &description, &blocks))
		want := strings.Join([]string{sizes, name, longTimes(description), strings.TrimSpace(blocks)}, " | ")
		o.compare(rec, o.ourRow(rec), want)
		o.checkRest(rec)
		o.countImages()
		require.Equal(t, lsn, rec.LSN.String())
	})
	require.False(t, rows.Next())
	require.NoError(t, rows.Err())
}

// ourRow is the row that we would print for a record.
func (o *oracle) ourRow(rec *xlog.Record) string {
	p, err := o.dec.Decode(rec)
	if err != nil {
		return err.Error()
	}
	body := o.dec.Body()
	sizes := fmt.Sprintf("%d %d %d %d", rec.TotalLen, len(body.Main), body.ImageBytes(), rec.XID)
	blocks := bytes.ReplaceAll(bytes.TrimSpace(o.dec.appendBlocks(nil)), []byte("\n\t"), []byte(" "))
	return strings.Join([]string{
		sizes, o.dec.Name(rec.Rmgr, rec.Info), string(p.Describe(nil, &o.dec.Printing)), string(blocks),
	}, " | ")
}

var shortTime = regexp.MustCompile(`(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,6})?\+00\b`)

// longTimes writes times as pg_waldump does: the server leaves out zeros at the end of seconds, and has another zone.
func longTimes(s string) string {
	return shortTime.ReplaceAllStringFunc(s, func(m string) string {
		p := shortTime.FindStringSubmatch(m)
		fraction := strings.TrimPrefix(p[2], ".")
		return p[1] + "." + fraction + strings.Repeat("0", 6-len(fraction)) + " UTC"
	})
}
