// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// standbyMessage does what a CopyData of the client says (ProcessStandbyMessage in walsender.c). pong is true when the
// client asks for a keepalive.
func (s *stream) standbyMessage(payload []byte) (pong bool, err error) {
	if len(payload) == 0 {
		return false, fatalf(codeProtocolViolation, "insufficient data left in message")
	}
	switch payload[0] {
	case protocol.TagStandbyStatus:
		var m protocol.StandbyStatus
		if err := m.Decode(payload); err != nil {
			return false, fatalf(codeProtocolViolation, "%s", err)
		}
		s.reply(&m)
		return m.ReplyRequested, nil
	case protocol.TagHotStandbyFeedback:
		var m protocol.HotStandbyFeedback
		if err := m.Decode(payload); err != nil {
			return false, fatalf(codeProtocolViolation, "%s", err)
		}
		s.feedback(&m)
		return false, nil
	}
	return false, fatalf(codeProtocolViolation, "unexpected message type \"%c\"", payload[0])
}

// reply takes the positions of a client (ProcessStandbyReplyMessage). They are what the client says: it may know more of
// the log than this server, and may have lost some of it.
func (s *stream) reply(m *protocol.StandbyStatus) {
	s.c.sender.reply(m, s.clock())
	if s.slot != nil && m.Flush.Valid() {
		s.slot.confirm(m.Flush)
	}
	s.c.server.progressed(s.c)
}

// reply updates positions and lags.
func (w *sender) reply(m *protocol.StandbyStatus, now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := [lagHeads]xlog.LSN{m.Write, m.Flush, m.Apply}
	lags := [lagHeads]*time.Duration{&w.stat.WriteLag, &w.stat.FlushLag, &w.stat.ReplayLag}
	// A second reply with nothing new, when all is applied, comes because nothing happens: old lags mean nothing then.
	idle := m.Apply == w.stat.SentLSN && m.Flush == w.stat.SentLSN && at == w.prior
	for head, lsn := range at {
		if lag, ok := w.lag.read(head, lsn, now); ok {
			*lags[head] = lag
		} else if idle {
			*lags[head] = -1
		}
	}
	w.prior = at
	w.stat.WriteLSN, w.stat.FlushLSN, w.stat.ReplayLSN = m.Write, m.Flush, m.Apply
	w.stat.ReplyTime = m.SendTime
}

// sent says that the log was sent up to lsn, and that it ended at end then.
func (w *sender) sent(lsn, end xlog.LSN, now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lag.write(end, now)
	w.stat.SentLSN = lsn
}

// confirmed is the position up to which the client has all (replicatedPtr in WalSndDone): what it flushed, or wrote when
// it never says that it flushes.
func (w *sender) confirmed() xlog.LSN {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stat.FlushLSN.Valid() {
		return w.stat.FlushLSN
	}
	return w.stat.WriteLSN
}

// feedback takes which rows the client's queries need (ProcessStandbyHSFeedbackMessage). It is kept in the slot, or in the
// session when there is none, which cannot keep the two apart.
func (s *stream) feedback(m *protocol.HotStandbyFeedback) {
	xmin := s.recentXID(m.Xmin, m.XminEpoch)
	catalog := s.recentXID(m.CatalogXmin, m.CatalogXminEpoch)
	w := &s.c.sender
	w.mu.Lock()
	w.stat.ReplyTime = m.SendTime
	w.mu.Unlock()
	if isNormalXID(m.Xmin) && xmin == 0 || isNormalXID(m.CatalogXmin) && catalog == 0 {
		return // it makes no sense
	}
	if s.slot != nil {
		s.slot.setXmin(xmin, catalog)
	} else {
		w.setXmin(least(xmin, catalog))
	}
	s.c.server.feedbackChanged()
}

func (w *sender) setXmin(full uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.xmin, w.stat.BackendXmin = full, uint32(full)
}

func isNormalXID(xid uint32) bool { return xid >= xlog.FirstNormalXID }

// recentXID is a transaction ID with its epoch; 0 when there is none, or when it is not in the past of a source that knows
// its next one, or too far back (TransactionIdInRecentPast).
func (s *stream) recentXID(xid, epoch uint32) uint64 {
	if !isNormalXID(xid) {
		return 0
	}
	full := uint64(epoch)<<32 | uint64(xid)
	if next := s.source.Position().NextXID; next != 0 && (full > next || next-full >= 1<<31) {
		return 0
	}
	return full
}

// least is the smaller of two transaction IDs of which 0 is none.
func least(a, b uint64) uint64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Feedback is what the clients and the slots together need of a primary's rows: what a standby that cascades sends on. Its
// SendTime is not set. All is zero when nobody needs anything.
func (s *Server) Feedback() protocol.HotStandbyFeedback {
	xmin, catalog := s.cfg.Slots.xmins()
	s.each(func(c *session) {
		c.sender.mu.Lock()
		xmin = least(xmin, c.sender.xmin)
		c.sender.mu.Unlock()
	})
	return protocol.HotStandbyFeedback{
		Xmin: uint32(xmin), XminEpoch: uint32(xmin >> 32),
		CatalogXmin: uint32(catalog), CatalogXminEpoch: uint32(catalog >> 32),
	}
}

// feedbackChanged tells the embedder.
func (s *Server) feedbackChanged() {
	if s.cfg.OnFeedback != nil {
		s.cfg.OnFeedback()
	}
}
