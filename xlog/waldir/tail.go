// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// tail is how a segment's bytes get to the disk. With Config.Direct little pieces, each of which somebody waits for, stay
// in memory until Sync, which writes their blocks around the page cache. That takes less than a write through it with an
// fsync behind: there is no page to be found, marked and written back, and a disk that can write durably at once
// (FUA) is not told to flush. Everything else goes through the cache.
//
// No block may be written in both ways at the same time (vfs.DirectFS). So what goes through the cache waits for a
// direct write under way (leave), and zeros ahead begin behind the block in which the tail ends.
type tail struct {
	direct vfs.DirectFile // nil where everything goes through the cache
	cached atomic.Bool    // bytes went through the cache since it was last synced

	writing sync.Mutex // held during a direct write; taken before mu

	mu   sync.Mutex
	base int64  // the file's offset of buf[0], where a block begins
	buf  []byte // the file's bytes up to where the tail ends; empty: there is no tail
	done int    // so many of buf are in the file
	off  bool   // the disk did not take a direct write
}

// tailSize is how much of a tail there may be: a receiver hands more over to the page cache.
const tailSize = 64 << 10

// openDirect lets a new segment have a tail. One that an earlier run left does without, for it may be read beyond the tail.
func (d *Dir) openDirect(seg *segment) (err error) {
	fsys, ok := d.fs.(vfs.DirectFS)
	if !d.cfg.Direct || d.cfg.NoSync || !seg.fresh || !ok {
		return nil
	}
	seg.tail.direct, err = fsys.OpenDirect(d.file(seg.current))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func (seg *segment) closeFiles() error {
	var err error
	if seg.tail.direct != nil {
		err = seg.tail.direct.Close()
	}
	return errors.Join(err, seg.file.Close())
}

// write writes a piece at offset, or keeps it for sync.
func (seg *segment) write(p []byte, offset int64) (int, error) {
	kept, err := seg.keep(p, offset)
	if kept {
		return len(p), nil
	}
	if err == nil {
		err = seg.leave()
	}
	if err != nil {
		return 0, err
	}
	n, err := seg.file.WriteAt(p, offset)
	seg.tail.cached.Store(true)
	return n, err
}

// keep adds a piece to the tail. It does not where the piece is to be written through the cache.
func (seg *segment) keep(p []byte, offset int64) (kept bool, err error) {
	t := &seg.tail
	if t.direct == nil || len(p) >= littlePiece {
		return false, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off {
		return false, nil
	}
	if len(t.buf) == 0 {
		if err := seg.startTail(offset); err != nil {
			return false, err
		}
	}
	if len(t.buf)+len(p) > tailSize && t.done == len(t.buf) {
		t.drop(len(t.buf) - len(t.buf)%vfs.DirectBlock)
	}
	if len(t.buf)+len(p) > tailSize {
		return false, nil
	}
	t.buf = append(t.buf, p...)
	return true, nil
}

// startTail begins with what is in the block before offset.
func (seg *segment) startTail(offset int64) error {
	t := &seg.tail
	if t.buf == nil {
		t.buf = make([]byte, 0, tailSize)
	}
	t.done = int(offset % vfs.DirectBlock)
	t.base = offset - int64(t.done)
	if n, err := seg.file.ReadAt(t.buf[:t.done], t.base); n < t.done {
		return fmt.Errorf("could not read segment %s at offset %d: %w", seg.name, t.base, err)
	}
	t.buf = t.buf[:t.done]
	return nil
}

// drop forgets n bytes, whole blocks that are in the file.
func (t *tail) drop(n int) {
	t.buf = t.buf[:copy(t.buf, t.buf[n:])]
	t.base += int64(n)
	t.done -= n
}

// leave writes what waits for sync through the cache, and ends the tail. It comes before anything else is written so.
func (seg *segment) leave() error {
	t := &seg.tail
	if t.direct == nil {
		return nil
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done < len(t.buf) {
		n, err := seg.file.WriteAt(t.buf[t.done:], t.base+int64(t.done))
		t.done += n
		t.cached.Store(true)
		if err != nil {
			return err
		}
	}
	t.buf, t.done = t.buf[:0], 0
	return nil
}

// read copies the end of p, which is at offset in the file, from the tail, and returns how many bytes the file has.
func (t *tail) read(p []byte, offset int64) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf) == 0 || offset+int64(len(p)) <= t.base {
		return len(p)
	}
	n := max(t.base-offset, 0)
	copy(p[n:], t.buf[offset+n-t.base:])
	return int(n)
}

// sync makes durable what was written before the call. block is memory for direct writes, of tailSize.
func (seg *segment) sync(block []byte) error {
	if err := seg.syncTail(block); err != nil {
		return err
	}
	// After the tail, which may have gone to the cache meanwhile.
	if seg.tail.cached.Swap(false) {
		return seg.file.Sync()
	}
	return nil
}

// syncTail writes directly what waits for it.
func (seg *segment) syncTail(block []byte) error {
	t := &seg.tail
	t.writing.Lock()
	defer t.writing.Unlock()
	offset, n, end := t.unwritten(block)
	if n == 0 {
		return nil
	}
	_, err := t.direct.WriteAt(block[:n], offset)
	off := errors.Is(err, errors.ErrUnsupported)
	if off {
		_, err = seg.file.WriteAt(block[:n], offset)
		t.cached.Store(true)
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.off = int(end-t.base), off
	return nil
}

// unwritten copies the blocks that are to be written, n bytes at offset, with log up to end.
func (t *tail) unwritten(block []byte) (offset int64, n int, end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done == len(t.buf) {
		return 0, 0, 0
	}
	from := t.done - t.done%vfs.DirectBlock
	n = copy(block, t.buf[from:])
	end = t.base + int64(len(t.buf))
	rest := (vfs.DirectBlock - n%vfs.DirectBlock) % vfs.DirectBlock
	clear(block[n : n+rest])
	return t.base + int64(from), n + rest, end
}
