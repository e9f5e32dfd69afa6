// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

func TestOpenChecksItsConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{},
		{Path: t.TempDir(), SegmentSize: 12345},
		{Path: t.TempDir(), Compress: Compression{Method: Gzip}},
		{Path: t.TempDir(), Partial: true, Compress: Compression{Method: Gzip, Level: 10}},
		{Path: t.TempDir(), Partial: true, Compress: Compression{Method: 9}},
		{Path: filepath.Join(t.TempDir(), "no", "parent"), Partial: true},
		{Path: filepath.Join(t.TempDir(), "missing pg_wal")},
	} {
		_, err := Open(cfg)
		require.Error(t, err, "%+v", cfg)
	}
	d, err := Open(Config{Path: filepath.Join(t.TempDir(), "new"), Partial: true})
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

func TestOnlyOneProcess(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial})
		_, err := Open(Config{Path: path, Partial: partial})
		var locked *vfs.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, os.Getpid(), locked.PID)
		require.NoError(t, d.Close())
		openTest(t, Config{Path: path, Partial: partial})
	})
}

func TestWriteMustBeContiguous(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		d := openTest(t, Config{Path: t.TempDir(), Partial: partial})
		require.ErrorIs(t, d.Write(testStart, []byte{1}), ErrPosition, "before Begin")
		require.ErrorIs(t, d.Begin(0, testStart), ErrPosition)
		require.ErrorIs(t, d.Begin(1, 0), ErrPosition)
		require.ErrorIs(t, d.Begin(1, testStart+1), ErrPosition)
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, testWAL(1, testStart, 100)))
		require.ErrorIs(t, d.Write(testStart.Add(99), []byte{1}), ErrPosition)
		require.ErrorIs(t, d.Write(testStart.Add(101), []byte{1}), ErrPosition)
		require.NoError(t, d.Begin(1, testStart.Add(100)), "exactly where writing stands")
		require.ErrorIs(t, d.Begin(2, testStart.Add(100)), ErrPosition, "that is so on one timeline only")
		require.NoError(t, d.Write(testStart.Add(100), testWAL(1, testStart.Add(100), 100)))
		require.NoError(t, d.Begin(1, testStart), "or back at the segment's start")
		require.NoError(t, d.Write(testStart, testWAL(1, testStart, 50)))
		end, err := d.Sync()
		require.NoError(t, err)
		require.Equal(t, testStart.Add(50), end)
		require.NoError(t, d.Close())
		require.ErrorIs(t, d.Write(end, []byte{1}), ErrClosed)
		_, err = d.Sync()
		require.ErrorIs(t, err, ErrClosed)
		_, err = d.ReadAt(1, make([]byte, 10), testStart)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestSyncOfNothing(t *testing.T) {
	t.Parallel()
	d := openTest(t, Config{Path: t.TempDir(), Partial: true})
	end, err := d.Sync()
	require.NoError(t, err)
	require.Zero(t, end)
	require.NoError(t, d.Begin(3, testStart))
	end, err = d.Sync()
	require.NoError(t, err)
	require.Equal(t, testStart, end)
}

// createHook calls before for every segment file that is going to be made.
type createHook struct {
	vfs.FS
	before func()
}

func (h createHook) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	if flag&os.O_CREATE != 0 && filepath.Base(filepath.Dir(name)) != statusDirName {
		h.before()
	}
	return h.FS.OpenFile(name, flag, perm)
}

// TestSyncNeverWithinAPiece: a Sync while the file of the next segment is made acknowledges no part of the piece that is
// being written, for those who follow would get a message that ends within a record; but the segment's end it may.
func TestSyncNeverWithinAPiece(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		var d *Dir
		var began atomic.Bool
		seen := make(chan xlog.LSN, 100)
		hook := createHook{vfs.OS, func() {
			if began.Load() {
				end, err := d.Sync()
				assert.NoError(t, err)
				seen <- end
			}
		}}
		d = openTest(t, Config{Path: t.TempDir(), FS: hook, Partial: partial})
		require.NoError(t, d.Begin(1, testStart))
		began.Store(true)
		lsn := testStart
		ends := map[xlog.LSN]bool{lsn: true}
		for _, n := range []int{100, int(testSize) - 100, 8192, int(testSize), 2 * int(testSize), 5} {
			require.NoError(t, d.Write(lsn, testWAL(1, lsn, n)))
			lsn = lsn.Add(n)
			ends[lsn] = true
		}
		end, err := d.Sync()
		require.NoError(t, err)
		require.Equal(t, lsn, end)
		require.GreaterOrEqual(t, len(seen), 3)
		for range len(seen) {
			lsn := <-seen
			require.True(t, ends[lsn] || testSize.Offset(lsn) == 0, "%s is within a piece", lsn)
		}
	})
}

// TestWriteFarAhead writes without a Sync: files are finished on the way, so that few are open.
func TestWriteFarAhead(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial, NoSync: true})
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, testWAL(1, testStart, 16*int(testSize))))
		require.Less(t, len(d.unfinished), maxUnfinished)
		require.NoError(t, d.Close())
	})
}

func TestCloseRemovesWhatWasPrepared(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial})
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, testWAL(1, testStart, int(testSize)-1)))
		<-d.prep.job.done
		require.Len(t, names(t, path), 2)
		require.NoError(t, d.Close())
		require.Len(t, names(t, path), 1)
	})
}

func TestWriteDoesNotAllocate(t *testing.T) {
	d := openTest(t, Config{Path: t.TempDir(), Partial: true, NoSync: true})
	require.NoError(t, d.Begin(1, testStart))
	lsn, piece := testStart, make([]byte, 1000)
	require.NoError(t, d.Write(lsn, piece))
	allocs := testing.AllocsPerRun(200, func() {
		lsn = lsn.Add(len(piece))
		require.NoError(t, d.Write(lsn, piece))
	})
	require.Zero(t, allocs)
}

func TestHistory(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial})
		content := []byte("1\t0/540000\tno recovery target specified\r\n\x00")
		_, err := d.ReadHistory(0x1f)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, d.WriteHistory(0x1f, content))
		require.NoError(t, d.WriteHistory(0x1f, content))
		require.ErrorIs(t, d.WriteHistory(0x1f, content[1:]), ErrHistoryDiffers)
		got, err := d.ReadHistory(0x1f)
		require.NoError(t, err)
		require.Equal(t, content, got)
		require.Equal(t, []string{"0000001F.history"}, names(t, path))
		if !partial {
			require.Equal(t, []string{"0000001F.history.done"}, names(t, filepath.Join(path, statusDirName)))
		}
		require.NoError(t, d.WriteHistory(0x20, nil))
		got, err = d.ReadHistory(0x20)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

func TestArchiveStatus(t *testing.T) {
	t.Parallel()
	const name = "000000010000000000000005"
	for text, c := range map[string]struct {
		before []string
		always bool
		want   []string
	}{
		"done":                    {nil, false, []string{name + ".done"}},
		"done already":            {[]string{name + ".done"}, false, []string{name + ".done"}},
		"ready becomes done":      {[]string{name + ".ready"}, false, []string{name + ".done"}},
		"always":                  {nil, true, []string{name + ".ready"}},
		"always archived already": {[]string{name + ".done"}, true, []string{name + ".done"}},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			status := filepath.Join(path, statusDirName)
			require.NoError(t, os.Mkdir(status, vfs.DirMode))
			for _, f := range c.before {
				makeFile(t, filepath.Join(status, f), 0)
			}
			d := openTest(t, Config{Path: path, ArchiveAlways: c.always})
			require.NoError(t, d.Begin(1, testStart))
			require.NoError(t, d.Write(testStart, testWAL(1, testStart, int(testSize))))
			require.NoError(t, d.Close())
			require.Equal(t, c.want, names(t, status))
		})
	}
}

func TestRemoveBefore(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: partial})
		require.NoError(t, d.WriteHistory(2, []byte("1\t0/500000\t\n")))
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, testWAL(1, testStart, 4*int(testSize))))
		_, err := d.Sync()
		require.NoError(t, err)
		if !partial {
			require.NoError(t, os.Rename(filepath.Join(path, statusDirName, "000000010000000000000005.done"),
				filepath.Join(path, statusDirName, "000000010000000000000005.ready")))
		}
		n, err := d.RemoveBefore(testStart.Add(2*int(testSize) + 5))
		require.NoError(t, err)
		if partial {
			require.Equal(t, 2, n)
		} else {
			require.Equal(t, 1, n, "one waits for the archiver")
			require.NoError(t, os.Remove(filepath.Join(path, "000000010000000000000005")))
		}
		require.Equal(t, "000000010000000000000007", names(t, path)[0])

		_, err = d.RemoveBefore(^xlog.LSN(0))
		require.NoError(t, err)
		require.Equal(t, "000000010000000000000008", names(t, path)[0], "Resume is derived from it")
		require.NoError(t, d.Close())
		d = openTest(t, Config{Path: path, Partial: partial})
		require.Equal(t, "1 0/900000", resumed(d))
		_, err = d.RemoveBefore(^xlog.LSN(0))
		require.NoError(t, err)
		require.Equal(t, "1 0/900000", resumed(d))
		history, err := d.ReadHistory(2)
		require.NoError(t, err)
		require.NotEmpty(t, history)
	})
}

func TestReadAtEnds(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		d := openTest(t, Config{Path: t.TempDir(), Partial: partial})
		buf := make([]byte, 100)
		_, err := d.ReadAt(1, buf, testStart)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NoError(t, d.Begin(1, testStart))
		wal := testWAL(1, testStart, int(testSize)+50)
		require.NoError(t, d.Write(testStart, wal))
		n, err := d.ReadAt(1, buf, testStart.Add(int(testSize)))
		require.Equal(t, io.EOF, err)
		require.Equal(t, 50, n)
		require.Equal(t, wal[testSize:], buf[:n])
		n, err = d.ReadAt(1, buf, testStart.Add(int(testSize)+50))
		require.Equal(t, io.EOF, err)
		require.Zero(t, n)
		_, err = d.ReadAt(2, buf, testStart)
		require.ErrorIs(t, err, fs.ErrNotExist, "another timeline")
		n, err = d.ReadAt(1, nil, testStart.Add(-int(testSize)))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// TestDamagedCompressedSegment: damage is an error, never other bytes or an end.
func TestDamagedCompressedSegment(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"gzip", "lz4", "zstd"} {
		c, err := ParseCompression(spec)
		require.NoError(t, err)
		path := t.TempDir()
		d := openTest(t, Config{Path: path, Partial: true, Compress: c})
		require.NoError(t, d.Begin(1, testStart))
		require.NoError(t, d.Write(testStart, make([]byte, 2*int(testSize))))
		require.NoError(t, d.Close())
		name := filepath.Join(path, "000000010000000000000005"+c.Method.suffix())
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		content[len(content)/2] ^= 0x55
		require.NoError(t, os.WriteFile(name, content[:len(content)-2], vfs.FileMode))
		d = openTest(t, Config{Path: path, Partial: true})
		_, err = d.ReadAt(1, make([]byte, 2*int(testSize)), testStart)
		require.Error(t, err, spec)
		require.NotEqual(t, io.EOF, err, spec)
	}
}

// TestBegunCompressedSegment: pg_receivewal begins a compressed segment with an empty file.
func TestBegunCompressedSegment(t *testing.T) {
	dir := t.TempDir()
	for _, suffix := range []string{".gz", ".lz4", ".zst"} {
		name := filepath.Join(dir, "000000010000000000000001"+suffix+".partial")
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		files, err := View(Config{Path: dir, Partial: true})
		require.NoError(t, err)
		segment, err := files.OpenSegment(1, 1)
		require.NoError(t, err)
		n, err := segment.ReadAt(make([]byte, 100), 0)
		require.Zero(t, n)
		require.ErrorIs(t, err, io.EOF, suffix)
		require.NoError(t, segment.Close())
		require.NoError(t, os.Remove(name))
	}
}

func TestParseCompression(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Compression{
		"none": {}, "0": {}, "5": {Gzip, 5}, "gzip": {Gzip, 0}, "gzip:9": {Gzip, 9},
		"lz4:12": {LZ4, 12}, "zstd:level=3": {Zstd, 3},
	} {
		got, err := ParseCompression(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, want.Method.String(), methods[want.Method].name)
	}
	for _, text := range []string{"", "10", "-1", "brotli", "gzip:x", "lz4:13", "zstd:"} {
		_, err := ParseCompression(text)
		require.Error(t, err, text)
	}
	for level := range 13 {
		var b strings.Builder
		z, err := Compression{LZ4, level}.newWriter(&b)
		require.NoError(t, err, level)
		require.NoError(t, z.Close())
	}
}

// TestCompressesWhatWasLeft: segments that an earlier process did not come to compress.
func TestCompressesWhatWasLeft(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := openTest(t, Config{Path: path, Partial: true})
	require.NoError(t, d.Begin(1, testStart))
	require.NoError(t, d.Write(testStart, testWAL(1, testStart, 2*int(testSize)+1)))
	require.NoError(t, d.Close())
	d = openTest(t, Config{Path: path, Partial: true, Compress: Compression{Method: LZ4}})
	require.NoError(t, d.Close())
	require.Equal(t, []string{s5 + ".lz4", s6 + ".lz4", s7 + ".partial"}, names(t, path))
}

// TestEverythingAtOnce runs each method beside the others; it is for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{Partial: true},
		{},
		{Partial: true, Compress: Compression{Method: LZ4}},
		{Partial: true, Direct: true},
	} {
		t.Run(fmt.Sprintf("partial=%t direct=%t %s", cfg.Partial, cfg.Direct, cfg.Compress.Method), func(t *testing.T) {
			t.Parallel()
			cfg.Path = t.TempDir()
			d := openTest(t, cfg)
			require.NoError(t, d.Begin(1, testStart))
			var others sync.WaitGroup
			stop := make(chan struct{})
			beside := func(work func(rng *rand.Rand) error) {
				others.Go(func() {
					rng := rand.New(rand.NewPCG(1, 2))
					for {
						select {
						case <-stop:
							return
						default:
						}
						if err := work(rng); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			beside(func(*rand.Rand) error { _, err := d.Sync(); return err })
			beside(func(rng *rand.Rand) error { return readSomewhere(d, rng) })
			beside(func(*rand.Rand) error { _, err := d.RemoveBefore(testStart.Add(int(testSize))); return err })
			beside(func(*rand.Rand) error { return d.WriteHistory(2, []byte("1\t0/500000\t\n")) })
			for lsn, end := testStart, testStart.Add(15*int(testSize)); lsn < end; {
				n := 100_000
				if cfg.Direct && lsn%3 > 0 {
					n = 2 + int(lsn%littlePiece)
				}
				n = min(n, int(end-lsn))
				require.NoError(t, d.Write(lsn, testWAL(1, lsn, n)))
				lsn = lsn.Add(n)
			}
			close(stop)
			others.Wait()
			require.NoError(t, d.Close())
			require.Empty(t, d.Problems())
		})
	}
}

// readSomewhere reads what was written and compares it.
func readSomewhere(d *Dir, rng *rand.Rand) error {
	_, end, _ := d.Resume()
	from := testStart.Add(int(testSize))
	if end <= from {
		return nil
	}
	from = from.Add(rng.IntN(int(end - from)))
	if rng.IntN(2) == 0 {
		from = max(from, end-10_000)
	}
	got := make([]byte, min(3000, int(end-from)))
	if _, err := d.ReadAt(1, got, from); err != nil {
		return fmt.Errorf("reading at %s: %w", from, err)
	}
	if string(got) != string(testWAL(1, from, len(got))) {
		return errors.New("read other bytes than were written at " + from.String())
	}
	return nil
}

// TestWriteFile: what another has written to the segment's file counts once it is complete, and not before.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	layouts(t, func(t *testing.T, partial bool) {
		d := openTest(t, Config{Path: t.TempDir(), Partial: partial})
		require.NoError(t, d.Begin(1, testStart))
		write := func(lsn xlog.LSN, n int) {
			done, err := d.WriteFile(lsn, n, func(f *os.File, offset int64) error {
				_, err := f.WriteAt(testWAL(1, lsn, n), offset)
				return err
			})
			require.NoError(t, err)
			require.True(t, done)
		}
		write(testStart, 1000)
		_, err := d.WriteFile(testStart.Add(1000), 5000, func(f *os.File, offset int64) error {
			require.EqualValues(t, 1000, offset)
			_, err := f.WriteAt(make([]byte, 100), offset)
			return errors.Join(err, io.ErrUnexpectedEOF)
		})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		end, err := d.Sync()
		require.NoError(t, err)
		require.Equal(t, testStart.Add(1000), end)
		none := func(*os.File, int64) error { panic("fill") }
		for _, n := range []int{0, -1, int(testSize) - 999} {
			_, err = d.WriteFile(testStart.Add(1000), n, none)
			require.ErrorIs(t, err, ErrPosition)
		}
		_, err = d.WriteFile(testStart.Add(999), 1, none)
		require.ErrorIs(t, err, ErrPosition)

		write(testStart.Add(1000), int(testSize)-1000)
		require.NoError(t, d.Write(testStart.Add(int(testSize)), testWAL(1, testStart.Add(int(testSize)), 100)))
		end = testStart.Add(int(testSize) + 100)
		synced, err := d.Sync()
		require.NoError(t, err)
		require.Equal(t, end, synced)
		got := make([]byte, end.Sub(testStart))
		_, err = d.ReadAt(1, got, testStart)
		require.NoError(t, err)
		require.Equal(t, testWAL(1, testStart, len(got)), got)
	})
	d := openTest(t, Config{Path: t.TempDir(), FS: writeCounter{vfs.OS, new(atomic.Int32)}, Partial: true})
	require.NoError(t, d.Begin(1, testStart))
	done, err := d.WriteFile(testStart, 10, func(*os.File, int64) error { panic("no file of the operating system") })
	require.NoError(t, err)
	require.False(t, done)
}
