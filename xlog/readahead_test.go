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
			ahead := xlog.NewReadAhead(cfg)
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

// Some gives what Next gives, and all that it gives at once stays valid.
func TestReadAheadSome(t *testing.T) {
	t.Parallel()
	cfg := fixtureConfig(t, 15)
	cfg.BufferSize = 24 << 10
	one, some := xlog.NewReadAhead(cfg), xlog.NewReadAhead(cfg)
	defer one.Close()
	defer some.Close()
	records, most := 0, 0
	for {
		got, err := some.Some(7)
		for i := range got {
			want, err := one.Next()
			require.NoError(t, err)
			require.Equal(t, want.LSN, got[i].LSN)
			require.True(t, bytes.Equal(want.Raw, got[i].Raw))
		}
		if err != nil {
			_, wantErr := one.Next()
			require.Equal(t, wantErr.Error(), err.Error())
			break
		}
		require.NotEmpty(t, got)
		records, most = records+len(got), max(most, len(got))
	}
	require.Greater(t, records, 1000)
	require.Equal(t, 7, most)
}

func TestReadAheadConfigMistakes(t *testing.T) {
	cfg := fixtureConfig(t, 15)
	cfg.Source = nil
	ahead := xlog.NewReadAhead(cfg)
	defer ahead.Close()
	for range 2 {
		_, err := ahead.Next()
		require.ErrorContains(t, err, "needs a source")
	}
}
