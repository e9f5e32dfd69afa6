// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// WatchSocket is the name, in the data directory, of the socket of the Unix domain at which a running standby tells
// other processes of changes of catalogs. Only who may enter the directory can connect. The standby writes lines of
// JSON, each a WatchMessage, and reads nothing.
const WatchSocket = "walmirror.watch"

const (
	maxWatchers  = 16               // connections at once
	watchTimeout = 30 * time.Second // for who watches to take a line
)

// WatchMessage is a line of the socket; one of its parts is there.
type WatchMessage struct {
	Begin       *WatchBegin          `json:"begin,omitempty"`
	Transaction *changes.Transaction `json:"transaction,omitempty"`
	Error       string               `json:"error,omitempty"` // why nothing follows
}

// WatchBegin says where watching began: what is committed behind it is reported.
type WatchBegin struct {
	LSN      xlog.LSN        `json:"lsn"`
	Timeline xlog.TimelineID `json:"timeline"`
}

// serveWatchers listens at the socket until ctx ends. That it cannot is an event, and no reason to end.
func (s *Standby) serveWatchers(ctx context.Context) error {
	name := filepath.Join(s.data.Path, WatchSocket)
	l, err := listenUnix(name)
	if err != nil {
		s.events(NotWatched{Err: err})
		<-ctx.Done()
		return nil
	}
	var wait sync.WaitGroup
	defer wait.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // which removes the socket
	defer stop()
	room := make(chan struct{}, maxWatchers)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if sleep(ctx, pollInterval) != nil {
				return nil
			}
			continue
		}
		select {
		case room <- struct{}{}:
			wait.Go(func() {
				defer func() { <-room }()
				s.serveWatcher(ctx, conn)
			})
		default:
			_ = conn.Close()
		}
	}
}

// listenUnix makes a socket that only this user can connect to. One that a process left behind goes.
func listenUnix(name string) (net.Listener, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, vfs.FileMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveWatcher tells one process of changes until it goes, or does not take them.
func (s *Standby) serveWatcher(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, conn) // until it goes
	}()
	send := func(m WatchMessage) error {
		line, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := conn.SetWriteDeadline(time.Now().Add(watchTimeout)); err != nil {
			return err
		}
		_, err = conn.Write(append(line, '\n'))
		return err
	}
	if err := s.tell(ctx, send); err != nil && ctx.Err() == nil {
		_ = send(WatchMessage{Error: err.Error()})
	}
}

// tell sends what a Watcher has to tell.
func (s *Standby) tell(ctx context.Context, send func(WatchMessage) error) error {
	w, err := s.Watch(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := send(WatchMessage{Begin: &WatchBegin{LSN: w.Begin, Timeline: w.Timeline}}); err != nil {
		return err
	}
	for {
		tx, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if err := send(WatchMessage{Transaction: tx}); err != nil {
			return err
		}
	}
}

// WatchDir watches the changes of catalogs of the standby that another process runs on a data directory: begin is
// told where, each is told of every transaction, until ctx ends or one of them has an error, which is returned.
// When the standby ends that is an error too: ErrReplayEnded, and ErrNotRunning when no process runs one.
func WatchDir(
	ctx context.Context, dir string, begin func(WatchBegin) error, each func(*changes.Transaction) error,
) error {
	data, err := pgdata.Open(vfs.OS, dir)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(data.Path, WatchSocket))
	if err != nil {
		if st, statusErr := ReadStatus(dir); statusErr == nil && !st.Running {
			err = ErrNotRunning
		}
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = readWatch(conn, begin, each)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func readWatch(conn io.Reader, begin func(WatchBegin) error, each func(*changes.Transaction) error) error {
	for dec := json.NewDecoder(bufio.NewReader(conn)); ; {
		var m WatchMessage
		err := dec.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return ErrReplayEnded
		case err != nil:
			return err
		case m.Error != "":
			return fmt.Errorf("%w: %s", ErrReplayEnded, m.Error)
		case m.Begin != nil:
			err = begin(*m.Begin)
		case m.Transaction != nil:
			err = each(m.Transaction)
		}
		if err != nil {
			return err
		}
	}
}

// NotWatched tells that other processes cannot watch the changes of catalogs, such as when the path of the data
// directory is too long for a socket.
type NotWatched struct{ Err error }

func (e NotWatched) String() string {
	return fmt.Sprintf("changes of catalogs cannot be watched by others: %v", e.Err)
}
