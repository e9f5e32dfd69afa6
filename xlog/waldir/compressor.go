// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// compressor replaces complete segments by compressed ones, one after the other, in its own goroutine. A segment
// that cannot be compressed stays as it is.
type compressor struct {
	dir *Dir

	mu      sync.Mutex
	queue   []string // names of segments; only a name is kept, the content waits on disk
	closing bool
	err     error // first failure
	wake    chan struct{}
	done    chan struct{}
}

// newCompressor starts with the segments that an earlier process did not come to compress.
func newCompressor(d *Dir, found listing) *compressor {
	c := &compressor{dir: d, wake: make(chan struct{}, 1), done: make(chan struct{})}
	for _, e := range found.segments {
		if e.stage == stageComplete && e.method == NoCompression && d.size.Start(e.number+1) <= d.resumeLSN {
			c.queue = append(c.queue, e.name)
		}
	}
	go c.run()
	return c
}

func (c *compressor) add(segment string) {
	c.mu.Lock()
	c.queue = append(c.queue, segment)
	c.mu.Unlock()
	c.signal()
}

func (c *compressor) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *compressor) run() {
	defer close(c.done)
	for {
		segment, closing := c.next()
		switch {
		case segment != "":
			if err := c.compress(segment); err != nil {
				c.failed(fmt.Errorf("could not compress segment %s: %w", segment, err))
			}
		case closing:
			return
		default:
			<-c.wake
		}
	}
}

func (c *compressor) next() (segment string, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return "", c.closing
	}
	segment = c.queue[0]
	c.queue = c.queue[1:]
	return segment, c.closing
}

func (c *compressor) failed(err error) {
	c.dir.addProblem(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// close waits until every segment is compressed, and returns the first failure.
func (c *compressor) close() error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.signal()
	<-c.done
	return c.err
}

func (c *compressor) compress(segment string) error {
	in, err := c.dir.fs.OpenFile(c.dir.file(segment), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed while it waited
	}
	if err != nil {
		return err
	}
	defer in.Close()
	name := segment + c.dir.cfg.Compress.Method.suffix()
	temp := c.dir.temp(name)
	if err := c.writeCompressed(in, temp); err != nil {
		return errors.Join(err, c.dir.removeIfExists(c.dir.file(temp)))
	}
	return c.dir.replaceSegment(segment, temp, name)
}

func (c *compressor) writeCompressed(in vfs.File, temp string) error {
	out, err := c.dir.fs.OpenFile(c.dir.file(temp), os.O_RDWR|os.O_CREATE|os.O_TRUNC, vfs.FileMode)
	if err != nil {
		return err
	}
	err = c.copy(out, in)
	if err == nil && !c.dir.cfg.NoSync {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func (c *compressor) copy(out, in vfs.File) error {
	buffered := bufio.NewWriterSize(io.NewOffsetWriter(out, 0), 256<<10)
	z, err := c.dir.cfg.Compress.newWriter(buffered)
	if err != nil {
		return err
	}
	section := io.NewSectionReader(in, 0, int64(c.dir.size))
	n, err := io.CopyBuffer(struct{ io.Writer }{z}, section, make([]byte, 128<<10))
	if err == nil && n != int64(c.dir.size) {
		err = io.ErrUnexpectedEOF
	}
	if err := errors.Join(err, z.Close()); err != nil {
		return err
	}
	return buffered.Flush()
}

// replaceSegment puts the compressed file in place of the segment, unless the segment was removed meanwhile. The
// compressed one's name is durable before the other is gone.
func (d *Dir) replaceSegment(segment, temp, name string) error {
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	if exists, err := vfs.Exists(d.fs, d.file(segment)); !exists {
		return errors.Join(err, d.removeIfExists(d.file(temp)))
	}
	if err := d.fs.Rename(d.file(temp), d.file(name)); err != nil {
		return err
	}
	d.setDirty()
	if err := d.syncNames(); err != nil {
		return err
	}
	return d.fs.Remove(d.file(segment))
}
