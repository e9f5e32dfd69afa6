// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// StatusFile is the name, in the data directory, of the file in which a running standby keeps its status: a JSON
// object, replaced as a whole.
const StatusFile = "walmirror.status"

// Status is what a standby knows about itself. Names and meanings are those of PostgreSQL's pg_stat_wal_receiver where
// it has them. Positions of 0/0 are unknown.
type Status struct {
	// State is starting, startup, catchup, streaming, reconnecting, waiting, activating, activated, failed or stopped.
	State            string          `json:"state"`
	Running          bool            `json:"running"`
	PID              int             `json:"pid,omitempty"`
	DataDirectory    string          `json:"data_directory"`
	CatalogOnly      bool            `json:"catalog_only,omitempty"` // it has no data, and can never be activated
	SystemIdentifier uint64          `json:"system_identifier,string"`
	Server           string          `json:"server,omitempty"` // what the primary says of its version
	ServerVersionNum int             `json:"server_version_num,omitempty"`
	Primary          string          `json:"primary"` // connection string without secrets
	SenderHost       string          `json:"sender_host,omitempty"`
	SenderPort       int             `json:"sender_port,omitempty"`
	Slot             string          `json:"slot_name,omitempty"`
	Port             int             `json:"port,omitempty"` // on which an activated standby accepts connections
	Timeline         xlog.TimelineID `json:"received_tli"`
	ReceiveStartLSN  xlog.LSN        `json:"receive_start_lsn"`
	WrittenLSN       xlog.LSN        `json:"written_lsn"`
	FlushedLSN       xlog.LSN        `json:"flushed_lsn"`
	LatestEndLSN     xlog.LSN        `json:"latest_end_lsn"` // the primary's end of WAL, as last heard
	LagBytes         int64           `json:"lag_bytes"`      // from flushed_lsn to latest_end_lsn
	LagSeconds       float64         `json:"lag_seconds"`    // since the first byte that is not flushed was heard of
	LastMsgSendTime  time.Time       `json:"last_msg_send_time,omitzero"`
	LastMsgRecvTime  time.Time       `json:"last_msg_receipt_time,omitzero"`
	LatestEndTime    time.Time       `json:"latest_end_time,omitzero"`
	Replay           ReplayStatus    `json:"replay"`
	Reconnects       int             `json:"reconnects"` // since this process started
	Starts           int             `json:"starts"`     // of the process on this directory
	StartedAt        time.Time       `json:"started_at,omitzero"`
	UpdatedAt        time.Time       `json:"updated_at,omitzero"`
	LastError        string          `json:"last_error,omitempty"`
	LastErrorTime    time.Time       `json:"last_error_time,omitzero"`

	Followers  []FollowerStatus  `json:"followers,omitempty"`
	Activation *ActivationStatus `json:"activation,omitempty"` // nil: it is a standby
	PostgreSQL *ServerStatus     `json:"postgresql,omitempty"` // that runs on the activated directory
}

// ErrNotStandby says that a directory is not that of a standby.
var ErrNotStandby = errors.New("not the data directory of a standby")

// ReadStatus reads the status of the standby in dir, whether it runs or not. The positions of one that does not run
// are the last it wrote down; what is in pg_wal may be a little ahead.
func ReadStatus(dir string) (Status, error) {
	data, err := pgdata.Open(vfs.OS, dir)
	if err != nil {
		return Status{}, err
	}
	st, err := loadStatus(dir)
	if err != nil {
		return Status{}, err
	}
	if st.UpdatedAt.IsZero() {
		if st, err = statusAtRest(data); err != nil {
			return Status{}, err
		}
	}
	st.Running = runnerAlive(dir, st.PID)
	if !st.Running {
		st.PID, st.Followers = 0, nil
		if st.State != StateFailed {
			st.State = StateStopped
		}
	}
	return st, st.addActivation(data)
}

// States of a standby besides those of its receiver.
const (
	StateStarting = "starting" // the directory is being looked at
	StateWaiting  = "waiting"  // a full disk or the like; receiving begins again by itself
	StateFailed   = "failed"   // it ended with an error
	StateStopped  = "stopped"

	StateActivating = "activating" // no more is received; what there is, is replayed
	StateActivated  = "activated"  // the directory is a primary's
)

func loadStatus(dir string) (Status, error) {
	var st Status
	text, err := os.ReadFile(filepath.Join(dir, StatusFile))
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal(text, &st); err != nil {
		return Status{}, fmt.Errorf("%s: %w", filepath.Join(dir, StatusFile), err)
	}
	return st, nil
}

// saveStatus replaces the status file. It is for people and monitors: nothing depends on it after a crash, so it is
// not fsynced.
func saveStatus(dir string, st Status) error {
	text, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, StatusFile)
	if err := os.WriteFile(name+".tmp", append(text, '\n'), vfs.FileMode); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// runnerAlive tells whether the process that wrote the status still holds the directory.
func runnerAlive(dir string, pid int) bool {
	holder, err := pgdata.ReadPIDFile(vfs.OS, dir)
	return err == nil && pid != 0 && holder.PID == pid && (pid == os.Getpid() || holder.Running())
}

// statusInterval is how often a running standby writes its status down, if something changed.
const statusInterval = 500 * time.Millisecond

// Status is the present state of the standby.
func (s *Standby) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
	return s.status
}

// update brings the status up to date. The caller holds mu.
func (s *Standby) update() {
	s.status.UpdatedAt = time.Now()
	if s.receiver != nil {
		s.status.addReceiver(s.receiver.Status())
		s.measureLag(s.status.UpdatedAt)
	}
	s.updateReplay(s.status.UpdatedAt)
	if s.cascade != nil {
		s.status.Followers = s.cascade.followers()
	}
}

// watch takes the status from a receiver from now on; with nil what the last one knew at its end stays.
func (s *Standby) watch(r *walreceiver.Receiver, wal *waldir.Dir) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
	s.receiver, s.wal = r, wal
}

func (s *Standby) save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	return saveStatus(s.data.Path, s.Status())
}

// keepStatus writes the status down until ctx ends, and looks whether the directory is still ours: like a postmaster,
// a standby whose postmaster.pid was taken away stops at once.
func (s *Standby) keepStatus(ctx context.Context) error {
	for sleep(ctx, statusInterval) == nil {
		if err := s.lock.Check(); err != nil {
			return err
		}
		if err := s.save(); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return nil
}

// addReceiver takes over what a receiver knows. What it does not know yet stays as it was.
func (st *Status) addReceiver(r walreceiver.Status) {
	if r.State != walreceiver.StateStopped {
		st.State = string(r.State)
	}
	st.Reconnects = r.Restarts
	st.SenderHost, st.SenderPort = r.SenderHost, r.SenderPort
	if r.ServerVersion != "" {
		st.Server, st.ServerVersionNum = r.Flavour.String()+" "+r.ServerVersion, r.ServerVersionNum
	}
	if r.ConnInfo != "" {
		st.Primary = r.ConnInfo
	}
	if r.Slot != "" {
		st.Slot = r.Slot
	}
	if r.LastError != nil {
		st.LastError, st.LastErrorTime = r.LastError.Error(), r.LastErrorTime
	}
	if r.ReceivedTimeline != 0 {
		st.Timeline, st.ReceiveStartLSN = r.ReceivedTimeline, r.ReceiveStart.LSN
		st.WrittenLSN, st.FlushedLSN = r.WrittenLSN, r.FlushedLSN
	}
	if r.LatestEndLSN != 0 {
		st.LatestEndLSN, st.LatestEndTime = r.LatestEndLSN, r.LatestEndTime
		st.LastMsgSendTime, st.LastMsgRecvTime = r.LastMsgSendTime, r.LastMsgReceiptTime
	}
}

// measureLag says how far behind the primary's last known end the durable log is, in bytes and in time.
func (s *Standby) measureLag(now time.Time) {
	st := &s.status
	st.LagBytes = max(0, st.LatestEndLSN.Sub(st.FlushedLSN))
	st.LagSeconds = s.lag.seconds(st.LatestEndLSN, st.FlushedLSN, now)
}

// lagClock remembers when the primary's end of WAL was first heard to be where, at the times of its calls. Its memory
// is bounded: of a long backlog it keeps the oldest samples, which are those that count, and the newest.
type lagClock struct {
	heard []lagSample
}

type lagSample struct {
	end xlog.LSN
	at  time.Time
}

const maxLagSamples = 4096

// seconds is the time since the first byte that is not yet flushed was heard of.
func (c *lagClock) seconds(end, flushed xlog.LSN, now time.Time) float64 {
	n := len(c.heard)
	switch sample := (lagSample{end, now}); {
	case n == 0 || n < maxLagSamples && c.heard[n-1].end < end:
		c.heard = append(c.heard, sample)
	case c.heard[n-1].end < end:
		c.heard[n-1].end = end
	}
	behind := slices.IndexFunc(c.heard, func(s lagSample) bool { return s.end > flushed })
	if behind < 0 {
		c.heard = c.heard[:0]
		return 0
	}
	c.heard = append(c.heard[:0], c.heard[behind:]...)
	return now.Sub(c.heard[0].at).Seconds()
}
