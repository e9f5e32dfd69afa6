// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"bufio"
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

// TestGreenplum compares every line of recorded Greenplum coordinators with what their own pg_waldump said, those with
// details of block references too. There is a subtest for each resource manager:
//
//	go test ./xlog/rmgr -run 'TestGreenplum/gp7dev-consistency/Heap' -v
func TestGreenplum(t *testing.T) {
	for _, set := range xlogtest.GreenplumRecordings(t) {
		t.Run(set.Name, func(t *testing.T) {
			compareRecording(t, &set, set.Begin, set.Text(t), false)
		})
		if set.DetailsBegin > 0 {
			t.Run(set.Name+"/details", func(t *testing.T) {
				compareRecording(t, &set, set.DetailsBegin, set.Details(t), true)
			})
		}
	}
}

func compareRecording(t *testing.T, set *xlogtest.Recording, begin xlog.LSN, text []byte, details bool) {
	o := &oracle{dec: NewDecoder(set.Dialect), results: map[string]*result{}}
	o.dec.Location = time.UTC
	lines := &dumpText{in: bufio.NewReaderSize(bytes.NewReader(text), 1<<20)}
	r := xlog.NewReader(set.Config(t, begin))
	for want := lines.next(); want != ""; {
		rec, err := r.Next()
		require.NoError(t, err)
		if set.Omitted(rec) {
			continue
		}
		o.compare(rec, o.ourLine(rec, details), want)
		o.checkRest(rec)
		want = lines.next()
	}
	if !details {
		requireEnd(t, r, set)
	}
	o.report(t)
}

// checkRest finds bytes of the main data that nothing in the payload stands for, but for padding.
func (o *oracle) checkRest(rec *xlog.Record) {
	if o.dec.kind(rec.Rmgr, rec.RmgrInfo()) == nil || o.dec.in.left() < 8 {
		return
	}
	r := o.of(rec)
	if r.differ++; len(r.differences) < showDifferences {
		r.differences = append(r.differences, o.dec.Name(rec.Rmgr, rec.Info)+" left bytes at "+rec.LSN.String())
	}
}

// requireEnd requires that no record but omitted ones is left.
func requireEnd(t *testing.T, r *xlog.Reader, set *xlogtest.Recording) {
	for {
		rec, err := r.Next()
		if err == nil {
			require.True(t, set.Omitted(rec), "no line for the record at %s", rec.LSN)
			continue
		}
		var end *xlog.EndError
		require.True(t, errors.As(err, &end), "%v", err)
		require.ErrorIs(t, err, xlog.ErrZeroed)
		require.Equal(t, set.End, end.LSN)
		return
	}
}
