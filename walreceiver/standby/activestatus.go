// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// ActivationStatus is how a standby became a primary.
type ActivationStatus struct {
	redo.Promotion
	At   time.Time     `json:"at,omitzero"`       // when it was done; zero when that is not known any more
	Took time.Duration `json:"took_ns,omitempty"` // since the order
	// Serving: the Standby goes on for those who follow it.
	Serving bool `json:"serving,omitempty"`
}

// ServerStatus is what postmaster.pid says of a server.
type ServerStatus struct {
	PID   int    `json:"pid"`
	Port  int    `json:"port"`
	State string `json:"state"` // starting, stopping, ready or standby
}

// addActivation says of an activated directory what is not in its status file, or not true any more: a server may have run
// since, and may run now.
func (st *Status) addActivation(data *pgdata.DataDir) error {
	is, err := isActivated(data)
	if err != nil || !is {
		st.Activation = nil
		return err
	}
	st.Timeline = data.Control.CheckPointCopy.ThisTimeLineID
	if st.Activation == nil || st.Activation.NewTimeline != st.Timeline {
		if st.Activation, err = activationOf(data, st.Timeline); err != nil {
			return err
		}
	}
	st.Activation.Serving = st.Activation.Serving && st.Running
	st.State, st.Replay.State = StateActivated, ReplayEnded
	st.LagBytes, st.LagSeconds, st.Replay.LagBytes, st.Replay.LagSeconds = 0, 0, 0, 0
	st.PostgreSQL, err = serverOn(data.Path, st.PID)
	return err
}

// isActivated tells whether a standby was activated on the directory: it is none any more, and has a timeline of its own.
func isActivated(data *pgdata.DataDir) (bool, error) {
	standby, err := pgdata.StandbySignal.Exists(vfs.OS, data.Path)
	return err == nil && !standby && data.Control.CheckPointCopy.ThisTimeLineID > 1, err
}

// activationOf is what the history file of a timeline says.
func activationOf(data *pgdata.DataDir, tli xlog.TimelineID) (*ActivationStatus, error) {
	a := &ActivationStatus{Promotion: redo.Promotion{NewTimeline: tli}}
	content, err := os.ReadFile(filepath.Join(data.WALPath(), tli.HistoryName()))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	history, err := xlog.ParseHistory(tli, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tli.HistoryName(), err)
	}
	if n := len(history.Ancestors); n > 0 {
		a.OldTimeline, a.Switch = history.Ancestors[n-1].Timeline, history.Ancestors[n-1].LSN
	}
	return a, nil
}

// serverOn is the server that runs on a directory; nil for none, and for the Standby with process id own.
func serverOn(dir string, own int) (*ServerStatus, error) {
	holder, err := pgdata.ReadPIDFile(vfs.OS, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case holder.PID == own || !holder.Running():
		return nil, nil
	}
	return &ServerStatus{PID: holder.PID, Port: holder.Port, State: holder.Status}, nil
}
