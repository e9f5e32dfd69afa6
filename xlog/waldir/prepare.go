// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"sync"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// preparer makes the file of the next segment before it is needed, one at a time.
type preparer struct {
	dir *Dir

	mu   sync.Mutex
	name string // segment being prepared or ready; "" when there is none
	file vfs.File
	err  error
	done chan struct{} // closed when file or err is set
}

func newPreparer(d *Dir) *preparer { return &preparer{dir: d} }

// ask starts preparing a segment in its own goroutine, unless one is prepared already.
func (p *preparer) ask(segment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name != "" {
		return
	}
	done := make(chan struct{})
	p.name, p.file, p.err, p.done = segment, nil, nil, done
	go func() {
		defer close(done)
		f, err := p.prepare(segment)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.file, p.err = f, err
	}()
}

// prepare makes a file of a segment's length. In a data directory it is synced, because PostgreSQL must never find a
// shorter one under a segment's name.
func (p *preparer) prepare(segment string) (vfs.File, error) {
	f, err := p.dir.openFull(p.dir.preparedName(segment))
	if err != nil {
		return nil, errors.Join(err, p.remove(segment))
	}
	if p.dir.cfg.Partial || p.dir.cfg.NoSync {
		return f, nil
	}
	if err := f.Sync(); err != nil {
		return nil, errors.Join(err, f.Close(), p.remove(segment))
	}
	return f, nil
}

// take hands over the file for the segment; it waits for one that is under way and makes one that nobody asked for.
func (p *preparer) take(segment string) (vfs.File, error) {
	name, f, err := p.release()
	if name == segment && err == nil {
		return f, nil
	}
	if name != "" && name != segment && err == nil {
		if err := errors.Join(f.Close(), p.remove(name)); err != nil {
			return nil, err
		}
	}
	return p.prepare(segment)
}

// release waits for what is under way and forgets it.
func (p *preparer) release() (name string, f vfs.File, err error) {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done != nil {
		<-done
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name, f, err = p.name, p.file, p.err
	p.name, p.file, p.err, p.done = "", nil, nil, nil
	return name, f, err
}

func (p *preparer) remove(segment string) error {
	return p.dir.removeIfExists(p.dir.file(p.dir.preparedName(segment)))
}

// close removes a prepared file that was not used.
func (p *preparer) close() error {
	name, f, err := p.release()
	if name == "" || err != nil {
		return nil
	}
	return errors.Join(f.Close(), p.remove(name))
}
