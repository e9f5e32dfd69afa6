// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/walmirror/walmirror/xlog"
)

// Tags: the first byte of a CopyData body while WAL is streamed.
const (
	TagXLogData           byte = 'w'
	TagKeepalive          byte = 'k'
	TagStandbyStatus      byte = 'r'
	TagHotStandbyFeedback byte = 'h'
)

// Lengths of the messages with their tag. XLogDataHeaderLen is without the WAL bytes.
const (
	XLogDataHeaderLen     = 25
	KeepaliveLen          = 18
	StandbyStatusLen      = 34
	HotStandbyFeedbackLen = 25
)

// XLogData carries a piece of WAL (XLogSendPhysical in src/backend/replication/walsender.c).
type XLogData struct {
	Start    xlog.LSN  // of the first byte of Data
	End      xlog.LSN  // how far the server has flushed its WAL
	SendTime time.Time // by the server's clock
	Data     []byte    // part of the decoded payload, not a copy; it may cross records and segments
}

// Append appends the message to dst.
func (m *XLogData) Append(dst []byte) []byte {
	return append(m.AppendHeader(dst), m.Data...)
}

// AppendHeader appends what stands before Data, for a sender that does not copy the WAL.
func (m *XLogData) AppendHeader(dst []byte) []byte {
	dst = append(dst, TagXLogData)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Start))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.End))
	return appendTime(dst, m.SendTime)
}

// Decode reads a payload; Data keeps a part of it.
func (m *XLogData) Decode(payload []byte) error {
	if len(payload) < XLogDataHeaderLen || payload[0] != TagXLogData {
		return badMessage("XLogData", payload)
	}
	m.Start = xlog.LSN(binary.BigEndian.Uint64(payload[1:]))
	m.End = xlog.LSN(binary.BigEndian.Uint64(payload[9:]))
	m.SendTime = decodeTime(payload[17:])
	m.Data = payload[XLogDataHeaderLen:]
	return nil
}

// Keepalive says that the server lives, and asks for an answer when ReplyRequested is set (WalSndKeepalive).
type Keepalive struct {
	End            xlog.LSN // how far the server has sent its WAL
	SendTime       time.Time
	ReplyRequested bool // the server closes the connection when no status comes soon
}

// Append appends the message to dst.
func (m *Keepalive) Append(dst []byte) []byte {
	dst = append(dst, TagKeepalive)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.End))
	dst = appendTime(dst, m.SendTime)
	return appendBool(dst, m.ReplyRequested)
}

// Decode reads a payload.
func (m *Keepalive) Decode(payload []byte) error {
	if len(payload) != KeepaliveLen || payload[0] != TagKeepalive {
		return badMessage("keepalive", payload)
	}
	m.End = xlog.LSN(binary.BigEndian.Uint64(payload[1:]))
	m.SendTime = decodeTime(payload[9:])
	m.ReplyRequested = payload[17] != 0
	return nil
}

// StandbyStatus tells the server how far the standby is (XLogWalRcvSendReply in walreceiver.c). Positions are those
// of the byte after the last one written, flushed or applied; 0 means unknown.
type StandbyStatus struct {
	Write, Flush, Apply xlog.LSN
	SendTime            time.Time
	ReplyRequested      bool // asks the server for a keepalive
}

// Append appends the message to dst.
func (m *StandbyStatus) Append(dst []byte) []byte {
	dst = append(dst, TagStandbyStatus)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Write))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Flush))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Apply))
	dst = appendTime(dst, m.SendTime)
	return appendBool(dst, m.ReplyRequested)
}

// Decode reads a payload.
func (m *StandbyStatus) Decode(payload []byte) error {
	if len(payload) != StandbyStatusLen || payload[0] != TagStandbyStatus {
		return badMessage("standby status update", payload)
	}
	m.Write = xlog.LSN(binary.BigEndian.Uint64(payload[1:]))
	m.Flush = xlog.LSN(binary.BigEndian.Uint64(payload[9:]))
	m.Apply = xlog.LSN(binary.BigEndian.Uint64(payload[17:]))
	m.SendTime = decodeTime(payload[25:])
	m.ReplyRequested = payload[33] != 0
	return nil
}

// HotStandbyFeedback keeps the primary from removing rows that the standby's queries need
// (XLogWalRcvSendHSFeedback). On the wire each transaction ID stands before its epoch. Zeros end the feedback.
type HotStandbyFeedback struct {
	SendTime                      time.Time
	Xmin, XminEpoch               uint32
	CatalogXmin, CatalogXminEpoch uint32
}

// Append appends the message to dst.
func (m *HotStandbyFeedback) Append(dst []byte) []byte {
	dst = append(dst, TagHotStandbyFeedback)
	dst = appendTime(dst, m.SendTime)
	dst = binary.BigEndian.AppendUint32(dst, m.Xmin)
	dst = binary.BigEndian.AppendUint32(dst, m.XminEpoch)
	dst = binary.BigEndian.AppendUint32(dst, m.CatalogXmin)
	return binary.BigEndian.AppendUint32(dst, m.CatalogXminEpoch)
}

// Decode reads a payload.
func (m *HotStandbyFeedback) Decode(payload []byte) error {
	if len(payload) != HotStandbyFeedbackLen || payload[0] != TagHotStandbyFeedback {
		return badMessage("hot standby feedback", payload)
	}
	m.SendTime = decodeTime(payload[1:])
	m.Xmin = binary.BigEndian.Uint32(payload[9:])
	m.XminEpoch = binary.BigEndian.Uint32(payload[13:])
	m.CatalogXmin = binary.BigEndian.Uint32(payload[17:])
	m.CatalogXminEpoch = binary.BigEndian.Uint32(payload[21:])
	return nil
}

func badMessage(what string, payload []byte) error {
	if len(payload) == 0 {
		return fmt.Errorf("%w: empty CopyData instead of %s", ErrProtocol, what)
	}
	return fmt.Errorf("%w: CopyData %q of %d bytes is no %s", ErrProtocol, payload[0], len(payload), what)
}

func appendTime(dst []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(xlog.Micros(t)))
}

func decodeTime(b []byte) time.Time { return xlog.Time(int64(binary.BigEndian.Uint64(b))) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}
