// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"errors"

	"github.com/walmirror/walmirror/xlog"
)

// PromoteConfig says how recovery is ended.
type PromoteConfig struct{}

// Promotion is what Promote did.
type Promotion struct {
	OldTimeline xlog.TimelineID `json:"old_timeline"`
	NewTimeline xlog.TimelineID `json:"new_timeline"`
	Switch      xlog.LSN        `json:"switch_lsn"` // where the new timeline leaves the old one
	End         xlog.LSN        `json:"end_lsn"`    // of the shutdown checkpoint's record, the last of the log
}

// Promote ends recovery: it begins a new timeline where replay has come to, and leaves the directory shut down. It closes
// the Redo, also when it fails.
func (r *Redo) Promote(PromoteConfig) (Promotion, error) {
	return Promotion{}, errors.Join(errors.New("not there yet"), r.Close())
}
