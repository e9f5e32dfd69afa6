// SPDX-License-Identifier: Apache-2.0

package waldir

import (
	"errors"
	"sync"
)

// preparer makes the file of the next segment before it is needed, one at a time.
type preparer struct {
	dir *Dir

	mu  sync.Mutex
	job *preparation // nil: none
}

type preparation struct {
	segment string
	done    chan struct{} // closed when the rest is set
	file    segmentFile
	err     error
}

func newPreparer(d *Dir) *preparer { return &preparer{dir: d} }

// ask starts preparing a segment in its own goroutine, unless one is prepared already.
func (p *preparer) ask(segment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.job != nil {
		return
	}
	job := &preparation{segment: segment, done: make(chan struct{})}
	p.job = job
	go func() {
		defer close(job.done)
		job.file, job.err = p.dir.openSegmentFile(segment)
	}()
}

// take hands over the file for the segment; it waits for one that is under way and makes one that nobody asked for
// or that could not be made before.
func (p *preparer) take(segment string) (segmentFile, error) {
	job := p.release()
	if job != nil && job.segment == segment && job.err == nil {
		return job.file, nil
	}
	if err := p.discard(job); err != nil {
		return segmentFile{}, err
	}
	return p.dir.openSegmentFile(segment)
}

// release waits for what is under way and forgets it.
func (p *preparer) release() *preparation {
	p.mu.Lock()
	defer p.mu.Unlock()
	job := p.job
	p.job = nil
	if job != nil {
		<-job.done
	}
	return job
}

// discard removes a prepared file that is not used; one that was there before stays.
func (p *preparer) discard(job *preparation) error {
	if job == nil || job.err != nil {
		return nil
	}
	err := job.file.Close()
	if job.file.fresh {
		err = errors.Join(err, p.dir.removeIfExists(p.dir.file(job.file.name)))
	}
	return err
}

// drop discards what is prepared.
func (p *preparer) drop() error { return p.discard(p.release()) }
