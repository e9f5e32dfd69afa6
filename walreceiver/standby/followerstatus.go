// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
)

// FollowerStatus is one of those who follow a standby. Names are those of pg_stat_replication.
type FollowerStatus struct {
	ApplicationName string   `json:"application_name"`
	ClientAddr      string   `json:"client_addr,omitempty"` // empty for a unix socket
	State           string   `json:"state"`
	Slot            string   `json:"slot_name,omitempty"`
	SentLSN         xlog.LSN `json:"sent_lsn"`
	FlushLSN        xlog.LSN `json:"flush_lsn"`
	ReplayLSN       xlog.LSN `json:"replay_lsn"` // 0/0: it says nothing of it
}

// followers are those who are connected now.
func (c *cascade) followers() []FollowerStatus {
	server := c.sender()
	if server == nil {
		return nil
	}
	var all []FollowerStatus
	for _, s := range server.Replication() {
		all = append(all, followerStatus(s))
	}
	return all
}

func followerStatus(s walsender.ReplicationStat) FollowerStatus {
	st := FollowerStatus{
		ApplicationName: s.ApplicationName, State: s.State.String(), Slot: s.Slot,
		SentLSN: s.SentLSN, FlushLSN: s.FlushLSN, ReplayLSN: s.ReplayLSN,
	}
	if s.ClientAddr.IsValid() {
		st.ClientAddr = s.ClientAddr.String()
	}
	return st
}
