// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/coordinator"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// counting is a Sink that keeps nothing but positions: a place to begin for one of your own.
type counting struct {
	mu      sync.Mutex
	written xlog.LSN
	bytes   int
}

func (s *counting) Resume() (xlog.TimelineID, xlog.LSN, bool) { return 0, 0, false }

func (s *counting) Begin(_ xlog.TimelineID, lsn xlog.LSN) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = lsn
	return nil
}

func (s *counting) Write(lsn xlog.LSN, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written, s.bytes = lsn.Add(len(p)), s.bytes+len(p)
	return nil
}

// Sync says what is safe. The primary believes it: commits go on, and log is removed.
func (s *counting) Sync() (xlog.LSN, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written, nil
}

func (s *counting) WriteHistory(xlog.TimelineID, []byte) error  { return nil }
func (s *counting) ReadHistory(xlog.TimelineID) ([]byte, error) { return nil, fs.ErrNotExist }

// The log of a primary goes to a sink of one's own, here until a transaction is in it.
func Example() {
	ctx := context.Background()
	primary, address, remove := startCoordinator(ctx)
	defer remove()
	before := primary.Position()

	tx, err := primary.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := tx.Insert(catalog.ConfigurationHistory{Time: time.Now(), DBID: 1, Description: "hello"}); err != nil {
		log.Print(err)
	}
	end, err := tx.Commit(ctx)
	if err != nil {
		log.Fatal(err)
	}

	sink := &counting{}
	r, err := walreceiver.New(walreceiver.Config{
		ConnString: "host=127.0.0.1 user=replicator sslmode=disable port=" + address,
		Sink:       sink,
		Start:      &walreceiver.Position{Timeline: 1, LSN: before},
		StopAt:     end - 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("all of the transaction is here:", sink.written >= end)
	// Output: all of the transaction is here: true
}

// startCoordinator starts a primary on a port of its own.
func startCoordinator(ctx context.Context) (_ *coordinator.Coordinator, port string, remove func()) {
	parent, err := os.MkdirTemp("", "walmirror-example-")
	if err != nil {
		log.Fatal(err)
	}
	dir := filepath.Join(parent, "coordinator")
	if err := coordinator.Create(dir); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	c, err := coordinator.Open(ctx, coordinator.Config{
		Dir: dir, Serve: &walsender.Config{Listeners: []net.Listener{listener}},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return c, port, func() {
		c.Close()
		os.RemoveAll(parent)
	}
}
