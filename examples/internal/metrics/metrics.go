// SPDX-License-Identifier: Apache-2.0

// Package metrics shows a walsender.Server to Prometheus: its clients, its slots and how far its source is. All is read
// when it is asked for.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
)

// Handler answers with the metrics of a server.
func Handler(s *walsender.Server) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Collector collects the metrics of a server, for programs that have a registry of their own.
type Collector struct{ Server *walsender.Server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("walmirror_"+name, help, labels, nil)
}

// perClient are the labels of a client's metrics.
var perClient = []string{"pid", "application_name", "client_addr"}

func describeClient(name, help string, more ...string) *prometheus.Desc {
	return describe("sender_"+name, help, append(perClient[:len(perClient):len(perClient)], more...)...)
}

var (
	sourceFlush  = describe("source_flush_bytes", "Position up to which the log may be sent.")
	sourceReplay = describe("source_replay_bytes", "Position up to which the log is applied here; absent where it is not.")
	timeline     = describe("source_timeline", "The newest timeline.")
	inRecovery   = describe("source_in_recovery", "Whether the log comes from another server.")

	info      = describeClient("info", "A client; always 1.", "state", "sync_state", "slot")
	position  = describeClient("position_bytes", "Position that was sent to a client, or that it confirmed.", "stage")
	behind    = describeClient("behind_bytes", "How much of the log has not come so far.", "stage")
	lag       = describeClient("lag_seconds", "Time from the local flush to the client's confirmation.", "stage")
	priority  = describeClient("sync_priority", "Priority among synchronous standbys; 0: asynchronous.")
	replyTime = describeClient("reply_timestamp_seconds", "When the last reply was sent, by the client's clock.")

	slotActive   = describe("slot_active", "Whether a client uses the slot.", "slot_name")
	slotRetained = describe("slot_retained_bytes", "How much of the log the slot keeps.", "slot_name")
	slotSafe     = describe("slot_safe_wal_bytes", "How much may be written before the slot is in danger.", "slot_name")
	slotLost     = describe("slot_invalidated", "Whether the log that the slot needs was removed.", "slot_name")
)

// Describe sends what there can be.
func (c Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		sourceFlush, sourceReplay, timeline, inRecovery, info, position, behind, lag, priority, replyTime, slotActive,
		slotRetained, slotSafe, slotLost,
	} {
		ch <- d
	}
}

// Collect sends what there is now.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	pos := c.Server.Position()
	send(sourceFlush, float64(pos.Flush))
	send(timeline, float64(pos.Timeline))
	send(inRecovery, number(pos.InRecovery))
	if pos.Replay != 0 {
		send(sourceReplay, float64(pos.Replay))
	}
	for _, client := range c.Server.Replication() {
		collectClient(send, &client, pos.Flush)
	}
	for _, slot := range c.Server.SlotStats() {
		collectSlot(send, &slot, pos.Flush)
	}
}

// sendFunc sends a value with its labels.
type sendFunc func(d *prometheus.Desc, value float64, labels ...string)

func collectClient(send sendFunc, r *walsender.ReplicationStat, end xlog.LSN) {
	addr := ""
	if r.ClientAddr.IsValid() {
		addr = r.ClientAddr.String()
	}
	of := func(more ...string) []string {
		return append([]string{strconv.Itoa(int(r.PID)), r.ApplicationName, addr}, more...)
	}
	send(info, 1, of(r.State.String(), r.SyncState, r.Slot)...)
	send(priority, float64(r.SyncPriority), of()...)
	if !r.ReplyTime.IsZero() {
		send(replyTime, seconds(r.ReplyTime.UnixMicro()), of()...)
	}
	for _, stage := range []struct {
		name string
		lsn  xlog.LSN
		lag  time.Duration
	}{
		{"sent", r.SentLSN, -1}, {"write", r.WriteLSN, r.WriteLag}, {"flush", r.FlushLSN, r.FlushLag},
		{"replay", r.ReplayLSN, r.ReplayLag},
	} {
		if stage.lsn != 0 {
			send(position, float64(stage.lsn), of(stage.name)...)
			send(behind, float64(max(0, end.Sub(stage.lsn))), of(stage.name)...)
		}
		if stage.lag >= 0 {
			send(lag, stage.lag.Seconds(), of(stage.name)...)
		}
	}
}

func collectSlot(send sendFunc, s *walsender.SlotStat, end xlog.LSN) {
	send(slotActive, number(s.Active), s.SlotName)
	send(slotLost, number(s.Invalidated), s.SlotName)
	if s.RestartLSN != 0 {
		send(slotRetained, float64(max(0, end.Sub(s.RestartLSN))), s.SlotName)
	}
	if s.SafeWALSize >= 0 {
		send(slotSafe, float64(s.SafeWALSize), s.SlotName)
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(micros int64) float64 { return float64(micros) / 1e6 }
