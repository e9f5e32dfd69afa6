// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"sync"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// writeDelay is how long a written position waits for the flushed one, to be told in one message. A sync on a fast disk
// takes less, and then synchronous_commit = on costs one message for a commit instead of the two of PostgreSQL's
// walreceiver; on a slow disk remote_write waits no longer than this.
const writeDelay = 500 * time.Microsecond

// replier sends the messages of one stream to the server. The reader and the flusher send through it when something
// moved; its own goroutine sends at the interval, whatever the others wait for.
type replier struct {
	client   *protocol.Client
	track    *tracker
	interval time.Duration
	applied  func() xlog.LSN
	feedback func() (protocol.HotStandbyFeedback, bool)
	failed   func() // told of an error, so that the reader looks

	mu       sync.Mutex
	buf      []byte
	last     protocol.StandbyStatus // sent last
	lastSent time.Time
	feeding  bool        // the server was told to keep rows; true at first, as an earlier connection may have told it
	done     bool        // CopyDone was sent, or sending failed
	late     *time.Timer // of writeDelay
	pending  bool        // late runs
	err      error
}

// run sends a status whenever none was sent for the interval, until ctx ends.
func (p *replier) run(ctx context.Context) {
	p.feed()
	timer := time.NewTimer(p.interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := p.interval - p.sinceLast()
		if wait <= 0 {
			p.force(false)
			wait = p.interval
		}
		p.feed()
		timer.Reset(wait)
	}
}

func (p *replier) sinceLast() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.lastSent)
}

// moved sends a status if the write or the flush position is another than the server was told. Until the sink has
// said what is durable there is nothing to tell.
func (p *replier) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	write, flush := p.track.positions()
	if flush != 0 && (write != p.last.Write || flush != p.last.Flush) {
		p.send(write, flush, false)
	}
}

// wrote sees to it that the server soon hears of the written position.
func (p *replier) wrote() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.pending && !p.done {
		p.pending = true
		p.late.Reset(writeDelay)
	}
}

// tellWrite is called after writeDelay.
func (p *replier) tellWrite() {
	p.mu.Lock()
	p.pending = false
	p.mu.Unlock()
	p.moved()
}

// force sends a status in any case. With ask the server answers at once.
func (p *replier) force(ask bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	write, flush := p.track.positions()
	p.send(write, flush, ask)
}

func (p *replier) send(write, flush xlog.LSN, ask bool) {
	if p.done {
		return
	}
	if p.pending {
		p.late.Stop()
		p.pending = false
	}
	var apply xlog.LSN
	if p.applied != nil {
		apply = p.applied()
	}
	p.lastSent = time.Now()
	p.last = protocol.StandbyStatus{
		Write: write, Flush: flush, Apply: p.track.applied(apply), SendTime: p.lastSent, ReplyRequested: ask,
	}
	p.buf = p.last.Append(p.buf[:0])
	p.note(p.client.SendCopyData(p.buf))
}

// feed sends the hot standby feedback.
func (p *replier) feed() {
	if p.feedback == nil {
		return
	}
	msg, ok := p.feedback()
	if !ok {
		msg = protocol.HotStandbyFeedback{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || (!ok && !p.feeding) {
		return
	}
	p.feeding = ok
	msg.SendTime = time.Now()
	p.buf = msg.Append(p.buf[:0])
	p.note(p.client.SendCopyData(p.buf))
}

// finish sends CopyDone, after which nothing more is sent.
func (p *replier) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.done = true
		p.note(p.client.SendCopyDone())
	}
}

// end stops sending when the stream is over.
func (p *replier) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	p.late.Stop()
}

// note keeps the first error of sending.
func (p *replier) note(err error) {
	if err == nil || p.err != nil {
		return
	}
	p.err = err
	p.done = true
	p.failed()
}

// failure is the error that ended sending.
func (p *replier) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
