// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/redo"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// OrderFile is the file in the data directory by which another process orders a running Standby to take over, as pg_ctl
// promote orders a server (PROMOTE_SIGNAL_FILE of xlog.h). Its content is empty, or the word end: then Run ends afterwards.
// One that is left behind is removed by the next who runs on the directory, a server too.
const OrderFile = "promote"

const (
	orderEnd  = "end"
	orderLook = 50 * time.Millisecond // how often a Standby looks for the file
)

// awaitOrder looks for the order until ctx ends.
func (s *Standby) awaitOrder(ctx context.Context) error {
	name := filepath.Join(s.data.Path, OrderFile)
	if err := removeIfThere(name); err != nil {
		return err
	}
	for sleep(ctx, orderLook) == nil {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := errors.Join(err, removeIfThere(name)); err != nil {
			return err
		}
		if s.data.CatalogOnly {
			continue // it has nothing to take over with
		}
		s.takeover.order(strings.TrimSpace(string(text)) == orderEnd)
	}
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// orderActivation has the Standby that runs on the directory, if one does, take over, and waits for it; with end it has let
// go of the directory then. It gives false when none runs, also when it is gone before it was done: then whoever calls takes
// over from the directory at rest.
func orderActivation(ctx context.Context, data *pgdata.DataDir, end bool) (p redo.Promotion, ran bool, err error) {
	pid, err := runner(data.Path)
	if err != nil || pid == 0 {
		return p, false, err
	}
	if err := writeOrder(data.Path, end); err != nil {
		return p, false, fmt.Errorf("the standby runs as process %d, which cannot be ordered to take over: %w", pid, err)
	}
	for {
		st, err := loadStatus(data.Path)
		if err != nil {
			return p, false, err
		}
		now, err := runner(data.Path)
		switch {
		case err != nil:
			return p, false, err
		case st.Activation != nil && (st.Activation.Serving || now != pid):
			return st.Activation.Promotion, true, nil
		case now != pid && st.State == StateFailed:
			return p, true, fmt.Errorf("the standby, process %d, has ended: %s", pid, st.LastError)
		case now != pid:
			return p, false, removeIfThere(filepath.Join(data.Path, OrderFile))
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return p, true, fmt.Errorf("the standby, process %d, does not finish: %w", pid, err)
		}
	}
}

// runner is the process of the Standby that runs on a directory, 0 for none.
func runner(dir string) (int, error) {
	st, err := loadStatus(dir)
	if err != nil || !runnerAlive(dir, st.PID) {
		return 0, err
	}
	return st.PID, nil
}

func writeOrder(dir string, end bool) error {
	text := ""
	if end {
		text = orderEnd + "\n"
	}
	name := filepath.Join(dir, OrderFile)
	if err := os.WriteFile(name+".tmp", []byte(text), vfs.FileMode); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}
