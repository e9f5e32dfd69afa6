// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
)

// store is a Sink of an embedder's own: one file for all of the log, and history files in memory.
type store struct {
	mu      sync.Mutex
	file    *os.File
	start   xlog.LSN // of the file's first byte
	end     xlog.LSN
	history map[xlog.TimelineID][]byte
}

// Resume has nothing to go on from: the file is always begun anew.
func (s *store) Resume() (xlog.TimelineID, xlog.LSN, bool) { return 0, 0, false }

func (s *store) Begin(_ xlog.TimelineID, lsn xlog.LSN) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start == 0 || lsn < s.start {
		s.start = lsn
	}
	s.end = lsn
	return nil
}

func (s *store) Write(lsn xlog.LSN, p []byte) error {
	if _, err := s.file.WriteAt(p, lsn.Sub(s.start)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = lsn.Add(len(p))
	return nil
}

// Sync takes the position before it syncs: what is written meanwhile is not covered.
func (s *store) Sync() (xlog.LSN, error) {
	s.mu.Lock()
	end := s.end
	s.mu.Unlock()
	return end, s.file.Sync()
}

func (s *store) WriteHistory(tli xlog.TimelineID, content []byte) error {
	s.history[tli] = append([]byte(nil), content...)
	return nil
}

func (s *store) ReadHistory(tli xlog.TimelineID) ([]byte, error) {
	if content, ok := s.history[tli]; ok {
		return content, nil
	}
	return nil, fs.ErrNotExist
}

// An embedder streams the log to a storage of its own. What its Sync returns is what the primary takes for durable.
func ExampleSink() {
	file, err := os.Create("all-of-the-log")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := walreceiver.New(walreceiver.Config{
		ConnString: "host=db1,db2 user=replicator target_session_attrs=primary",
		Slot:       "store",
		Sink:       &store{file: file, history: map[xlog.TimelineID][]byte{}},
		OnEvent:    func(e walreceiver.Event) { fmt.Println(e) },
		Verify:     &walreceiver.VerifyConfig{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.Run(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println("durable up to", r.Status().FlushedLSN)
}
