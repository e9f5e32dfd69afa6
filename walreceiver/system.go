// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// SystemIdentity is the answer to IDENTIFY_SYSTEM.
type SystemIdentity struct {
	SystemID uint64
	Timeline xlog.TimelineID
	XLogPos  xlog.LSN // how far the log is flushed; on a standby, how far it can be streamed
	DBName   string   // empty on a physical replication connection
}

// IdentifySystem asks who the server is and where its log ends. Up to PostgreSQL 14 it has to come before
// START_REPLICATION.
func (c *Conn) IdentifySystem(ctx context.Context) (SystemIdentity, error) {
	row, err := c.row(ctx, protocol.IdentifySystem{})
	if err != nil {
		return SystemIdentity{}, err
	}
	var id SystemIdentity
	if id.SystemID, err = strconv.ParseUint(row.text("systemid"), 10, 64); err != nil {
		return SystemIdentity{}, row.malformed("systemid")
	}
	if id.Timeline, err = row.timeline("timeline"); err != nil {
		return SystemIdentity{}, err
	}
	if id.XLogPos, err = row.lsn("xlogpos"); err != nil {
		return SystemIdentity{}, err
	}
	id.DBName = row.text("dbname")
	return id, nil
}

// Show asks for the value of a setting, with its unit as the server prints it.
func (c *Conn) Show(ctx context.Context, name string) (string, error) {
	row, err := c.row(ctx, protocol.Show{Name: name})
	if err != nil {
		return "", err
	}
	if len(row.result.Rows[0]) != 1 { // the column has the setting's proper name, which name may spell in another case
		return "", row.malformed(name)
	}
	return string(row.result.Rows[0][0]), nil
}

// SegmentSize is the size of the server's WAL segments.
func (c *Conn) SegmentSize(ctx context.Context) (xlog.SegmentSize, error) {
	n, err := c.showSize(ctx, "wal_segment_size")
	if err != nil {
		return 0, err
	}
	size := xlog.SegmentSize(n)
	return size, size.Validate()
}

// showSize asks for a setting that is a size of at most 1 GiB.
func (c *Conn) showSize(ctx context.Context, name string) (uint64, error) {
	text, err := c.Show(ctx, name)
	if err != nil {
		return 0, err
	}
	n, err := parseSize(text)
	if err != nil || n > uint64(xlog.MaxSegmentSize) {
		return 0, fmt.Errorf("SHOW %s: unexpected value %q", name, text)
	}
	return n, nil
}

// senderTimeout is the server's wal_sender_timeout, 0 when it has none.
func (c *Conn) senderTimeout(ctx context.Context) (time.Duration, error) {
	text, err := c.Show(ctx, "wal_sender_timeout")
	if err != nil {
		return 0, err
	}
	return parseDuration(text)
}

// TimelineHistory fetches the history file of a timeline: its name and its content, byte for byte.
func (c *Conn) TimelineHistory(ctx context.Context, tli xlog.TimelineID) (name string, content []byte, err error) {
	row, err := c.row(ctx, protocol.TimelineHistory{Timeline: tli})
	if err != nil {
		return "", nil, err
	}
	name = row.text("filename")
	if name != tli.HistoryName() {
		return "", nil, row.malformed("filename")
	}
	content, _ = row.result.Value(0, "content")
	return name, content, nil
}

// answer is the only row of a result.
type answer struct {
	cmd    protocol.Command
	result *protocol.Result
}

// row runs a command that returns one row.
func (c *Conn) row(ctx context.Context, cmd protocol.Command) (answer, error) {
	results, err := c.exec(ctx, cmd)
	if err != nil {
		return answer{}, err
	}
	for i := range results {
		if len(results[i].Rows) == 1 {
			return answer{cmd: cmd, result: &results[i]}, nil
		}
	}
	return answer{}, fmt.Errorf("%s: %w: one row expected", commandName(cmd), protocol.ErrProtocol)
}

func (a answer) text(column string) string {
	v, _ := a.result.Value(0, column)
	return string(v)
}

func (a answer) malformed(column string) error {
	return fmt.Errorf("%s: %w: %s %q", commandName(a.cmd), protocol.ErrProtocol, column, a.text(column))
}

func (a answer) lsn(column string) (xlog.LSN, error) {
	l, err := xlog.ParseLSN(a.text(column))
	if err != nil {
		return 0, a.malformed(column)
	}
	return l, nil
}

func (a answer) timeline(column string) (xlog.TimelineID, error) {
	n, err := strconv.ParseUint(a.text(column), 10, 32)
	if err != nil || n == 0 {
		return 0, a.malformed(column)
	}
	return xlog.TimelineID(n), nil
}

// parseSize reads a size as SHOW prints it.
func parseSize(s string) (uint64, error) {
	return parseUnits(s, map[string]uint64{"": 1, "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30})
}

// parseDuration reads a duration as SHOW prints it: a number with one of ms, s, min, h, d, and "0".
func parseDuration(s string) (time.Duration, error) {
	n, err := parseUnits(s, map[string]uint64{
		"": uint64(time.Millisecond), "us": uint64(time.Microsecond), "ms": uint64(time.Millisecond),
		"s": uint64(time.Second), "min": uint64(time.Minute), "h": uint64(time.Hour), "d": 24 * uint64(time.Hour),
	})
	return time.Duration(n), err
}

func parseUnits(s string, units map[string]uint64) (uint64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, known := units[s[len(digits):]]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || !known || (n > 0 && unit > 1<<62/n) {
		return 0, fmt.Errorf("unexpected value %q", s)
	}
	return n * unit, nil
}
