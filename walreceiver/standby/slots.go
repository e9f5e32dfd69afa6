// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// keepSlots gives the slots of those who follow this Standby to the server that will run on the directory. It does so when
// the Standby has taken over, and again when it ends: then slots have moved, and some may be gone.
func (s *Standby) keepSlots() error {
	if s.cascade == nil {
		return s.tellSlots(keepSlotsAtRest(s.data))
	}
	slots := s.cascade.cfg.Slots
	if err := s.tellSlots(exportSlots(s.data, slots)); err != nil {
		return err
	}
	before := s.kept
	s.kept = nil
	for _, st := range slots.Stats() {
		s.kept = append(s.kept, st.SlotName)
	}
	for _, name := range before {
		if slices.Contains(s.kept, name) {
			continue
		}
		if err := s.data.RemoveReplicationSlot(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Standby) tellSlots(left []string, err error) error {
	if len(left) > 0 {
		s.events(SlotsLeft{Names: left})
	}
	return err
}

// keepSlotsAtRest is keepSlots where nobody is served.
func keepSlotsAtRest(data *pgdata.DataDir) (left []string, err error) {
	dir := filepath.Join(data.Path, SlotsDir)
	if there, err := vfs.Exists(vfs.OS, dir); !there {
		return nil, err
	}
	slots, err := walsender.NewSlots(walsender.SlotsConfig{Dir: dir})
	if err != nil {
		return nil, err
	}
	left, err = exportSlots(data, slots)
	return left, errors.Join(err, slots.Close())
}

// defaultMaxSlots is max_replication_slots where the configuration says nothing.
const defaultMaxSlots = 10

// exportSlots writes the slots as a server keeps them, and returns the names of those for which it has no room: with more
// slots than max_replication_slots a server does not start.
func exportSlots(data *pgdata.DataDir, slots *walsender.Slots) (left []string, err error) {
	room := defaultMaxSlots
	text, ok, err := data.Conf("max_replication_slots")
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(text); ok && err == nil {
		room = n
	}
	for _, st := range slots.Stats() {
		switch {
		case st.Temporary || st.Invalidated:
			continue
		case room == 0:
			left = append(left, st.SlotName)
			continue
		}
		room--
		err := data.WriteReplicationSlot(pgdata.ReplicationSlot{
			Name: st.SlotName, XMin: st.Xmin, CatalogXMin: st.CatalogXmin, RestartLSN: st.RestartLSN,
		})
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// SlotsLeft tells of followers' slots for which the server that will run on the directory has no room.
type SlotsLeft struct{ Names []string }

func (e SlotsLeft) String() string {
	return fmt.Sprintf("max_replication_slots leaves no room for %s: raise it, and make them by hand",
		strings.Join(e.Names, ", "))
}
