// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// SenderState is what a session for replication does (WalSndState in walsender_private.h).
type SenderState uint8

// The states of a sender.
const (
	StateStartup   SenderState = iota // between commands
	StateBackup                       // sends a base backup
	StateCatchup                      // sends what there was before
	StateStreaming                    // sends what comes
	StateStopping                     // sends the rest, because the server stops
)

// String is the state as pg_stat_replication spells it.
func (s SenderState) String() string {
	return [...]string{"startup", "backup", "catchup", "streaming", "stopping"}[s]
}

// ReplicationStat is a row of pg_stat_replication (pg_stat_get_wal_senders in walsender.c).
type ReplicationStat struct {
	PID             uint32
	UserSysID       uint32 // OID of the role
	UserName        string
	ApplicationName string
	ClientAddr      netip.Addr // not valid for a unix socket
	ClientHostname  string     // always empty: names are not looked up
	ClientPort      int        // -1 for a unix socket
	BackendStart    time.Time
	BackendXmin     uint32 // hot standby feedback of a client without a slot; 0 is NULL
	State           SenderState

	// Positions; 0 is NULL.
	SentLSN, WriteLSN, FlushLSN, ReplayLSN xlog.LSN
	// Lags; below 0 is NULL.
	WriteLag, FlushLag, ReplayLag time.Duration

	SyncPriority int
	SyncState    string    // async, potential, sync, quorum
	ReplyTime    time.Time // of the client's clock; zero is NULL

	Slot string // that the session holds, "" for none; not a column
}

// bootstrapUser is the OID of the role that initdb makes (BOOTSTRAP_SUPERUSERID): there is only one role here.
const bootstrapUser = 10

// sender is what others may know of a session for replication. It is safe for concurrent use.
type sender struct {
	mu     sync.Mutex
	listed bool // the session is one for replication, and authenticated
	stat   ReplicationStat
	lag    lagTracker
	prior  [lagHeads]xlog.LSN // of the reply before
	xmin   uint64             // of hot standby feedback without a slot, with its epoch; 0: none
}

// list makes the session show in Server.Replication.
func (c *session) list() {
	addr, port := clientAddr(c.tcp.RemoteAddr())
	w := &c.sender
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed = true
	w.stat = ReplicationStat{
		PID: c.pid, UserSysID: bootstrapUser, UserName: c.user, ApplicationName: c.settings["application_name"],
		ClientAddr: addr, ClientPort: port, BackendStart: c.started, WriteLag: -1, FlushLag: -1, ReplayLag: -1,
		SyncState: "async",
	}
}

func clientAddr(a net.Addr) (netip.Addr, int) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, -1
	}
	ip, _ := netip.AddrFromSlice(tcp.IP)
	return ip.Unmap(), tcp.Port
}

// setState changes the state (WalSndSetState).
func (w *sender) setState(s SenderState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stat.State = s
}

// begin forgets what an earlier stream of the session has left.
func (w *sender) begin(start xlog.LSN, slot string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lag, w.prior = lagTracker{}, [lagHeads]xlog.LSN{}
	w.stat.State, w.stat.SentLSN, w.stat.Slot = StateCatchup, start, slot
}

// snapshot is what the sender is now.
func (w *sender) snapshot() (stat ReplicationStat, listed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stat, w.listed
}

// Replication is pg_stat_replication: the sessions for replication in the order of their PIDs.
func (s *Server) Replication() []ReplicationStat {
	var all []ReplicationStat
	s.each(func(c *session) {
		if stat, listed := c.sender.snapshot(); listed {
			all = append(all, stat)
		}
	})
	slices.SortFunc(all, func(a, b ReplicationStat) int { return cmp.Compare(a.PID, b.PID) })
	s.addSyncStates(all)
	return all
}
