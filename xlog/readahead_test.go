// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// growing is a source that has bytes up to end only, and more later.
type growing struct {
	xlog.Source
	end xlog.LSN
}

func (g *growing) ReadAt(tli xlog.TimelineID, p []byte, lsn xlog.LSN) (int, error) {
	if lsn >= g.end {
		return 0, io.EOF
	}
	if room := g.end.Sub(lsn); room < int64(len(p)) {
		n, err := g.Source.ReadAt(tli, p[:room], lsn)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return g.Source.ReadAt(tli, p, lsn)
}

// A ReadAhead gives what a Reader gives, whatever the size of the windows and however the log comes.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	for _, window := range []int{8192, 24 << 10, 256 << 10} {
		for _, step := range []int{50_000, 1 << 30} {
			cfg := fixtureConfig(t, 15)
			cfg.BufferSize = window
			alone := xlog.NewReader(cfg)
			source := &growing{Source: cfg.Source, end: cfg.Start.Add(step)}
			cfg.Source = source
			ahead := xlog.NewReadAhead(cfg, nil)
			records, waits := 0, 0
			for {
				got, err := ahead.Next()
				if err != nil && source.end < alone.End().Add(4<<20) {
					require.True(t, errors.Is(err, xlog.ErrZeroed) || errors.Is(err, xlog.ErrTorn), err)
					source.end = source.end.Add(step)
					waits++
					continue
				}
				want, wantErr := alone.Next()
				if wantErr != nil {
					require.Equal(t, wantErr.Error(), err.Error())
					break
				}
				require.NoError(t, err)
				require.Equal(t, want.RecordHeader, got.RecordHeader)
				require.Equal(t, want.LSN, got.LSN)
				require.Equal(t, want.End, got.End)
				require.True(t, bytes.Equal(want.Raw, got.Raw))
				records++
			}
			ahead.Close()
			require.Greater(t, records, 1000)
			t.Logf("windows of %d bytes, %d at a time: %d records, %d waits", window, step, records, waits)
		}
	}
}

// Windows have the records that Next gives, all of a window valid at the same time, and each is prepared once.
func TestReadAheadWindow(t *testing.T) {
	t.Parallel()
	cfg := fixtureConfig(t, 15)
	cfg.BufferSize = 24 << 10
	prepare := func(w *xlog.Window) {
		first, _ := w.Prepared.([]xlog.LSN)
		first = first[:0]
		for i := range w.Records {
			first = append(first, w.Records[i].LSN)
		}
		w.Prepared = first
	}
	one, some := xlog.NewReadAhead(cfg, nil), xlog.NewReadAhead(cfg, prepare)
	defer one.Close()
	defer some.Close()
	records, most := 0, 0
	for {
		w, err := some.Window()
		if err != nil {
			_, wantErr := one.Next()
			require.Equal(t, wantErr.Error(), err.Error())
			break
		}
		require.NotEmpty(t, w.Records)
		require.Len(t, w.Prepared, len(w.Records))
		for i := range w.Records {
			want, err := one.Next()
			require.NoError(t, err)
			require.Equal(t, want.LSN, w.Records[i].LSN)
			require.Equal(t, want.LSN, w.Prepared.([]xlog.LSN)[i])
			require.True(t, bytes.Equal(want.Raw, w.Records[i].Raw))
		}
		records, most = records+len(w.Records), max(most, len(w.Records))
	}
	require.Greater(t, records, 1000)
	require.Greater(t, most, 30)
}

func TestReadAheadConfigMistakes(t *testing.T) {
	cfg := fixtureConfig(t, 15)
	cfg.Source = nil
	ahead := xlog.NewReadAhead(cfg, nil)
	defer ahead.Close()
	for range 2 {
		_, err := ahead.Next()
		require.ErrorContains(t, err, "needs a source")
	}
}
