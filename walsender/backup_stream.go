// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/jackc/pgproto3/v2"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// backupStream is the messages of a backup (src/backend/backup/basebackup_copy.c; basebackup.c before 15). From 15 on there
// is one COPY, in which the first byte of each message tells what it is; before, each archive is a COPY of its own, and so
// is the manifest. protocol.BackupStream reads it.
type backupStream struct {
	c       *session
	ctx     context.Context
	framed  bool
	discard bool // archives and manifest are not sent
	limit   *throttle

	msg      []byte // the CopyData that is being filled
	data     int    // where its data begins
	done     int64  // bytes of archives that were read, before compression
	reported int64  // done at the last look at the clock
	clock    time.Time
}

const (
	backupChunk      = 32 << 10 // data of a CopyData, SINK_BUFFER_LENGTH
	progressBytes    = 64 << 10 // between two looks at the clock
	progressInterval = time.Second
)

func newBackupStream(ctx context.Context, c *session, o *backupOptions) *backupStream {
	s := &backupStream{
		c: c, ctx: ctx, framed: o.framed, discard: o.discard, limit: newThrottle(o.MaxRate), clock: time.Now(),
	}
	s.msg = append(make([]byte, 0, backupChunk+8), 'd', 0, 0, 0, 0)
	if s.framed {
		s.msg = append(s.msg, 'd')
	}
	s.data = len(s.msg)
	return s
}

// header says where the backup begins and which archives come. The main one, of which spaces has no entry, is the last.
func (s *backupStream) header(start protocol.Position, spaces []BackupTablespace, sizes []int64) error {
	if err := s.position(start.LSN, start.Timeline); err != nil {
		return err
	}
	columns := []protocol.Column{
		{Name: "spcoid", TypeOID: oidOID}, {Name: "spclocation", TypeOID: oidText}, {Name: "size", TypeOID: oidInt8},
	}
	rows := make([][][]byte, 0, len(spaces)+1)
	for i, t := range spaces {
		oid := strconv.AppendUint(nil, uint64(t.OID), 10)
		rows = append(rows, [][]byte{oid, []byte(t.Location), sizeValue(sizes, i)})
	}
	rows = append(rows, [][]byte{nil, nil, sizeValue(sizes, len(spaces))})
	if err := s.c.sendRows(columns, rows, "SELECT"); err != nil {
		return err
	}
	if s.framed {
		return s.beginCopy()
	}
	return nil
}

// sizeValue is a size in KiB, NULL when none was asked for.
func sizeValue(sizes []int64, i int) []byte {
	if sizes == nil {
		return nil
	}
	return strconv.AppendInt(nil, sizes[i]/1024, 10)
}

// position sends the result with the begin or the end (SendXlogRecPtrResult).
func (s *backupStream) position(lsn xlog.LSN, tli xlog.TimelineID) error {
	columns := []protocol.Column{{Name: "recptr", TypeOID: oidText}, {Name: "tli", TypeOID: oidInt8}}
	return s.c.sendRows(columns, [][][]byte{{[]byte(lsn.String()), []byte(tli.String())}}, "SELECT")
}

func (s *backupStream) beginCopy() error {
	if err := s.c.put(&pgproto3.CopyOutResponse{}); err != nil {
		return err
	}
	return s.c.flush()
}

func (s *backupStream) endCopy() error {
	return s.c.put(&pgproto3.CopyDone{})
}

// beginArchive announces an archive.
func (s *backupStream) beginArchive(name, location string) error {
	if !s.framed {
		return s.beginCopy()
	}
	return s.control(append(append(append(append([]byte{'n'}, name...), 0), location...), 0))
}

// endArchive sends what is left of one.
func (s *backupStream) endArchive() error {
	if err := s.send(); err != nil {
		return err
	}
	if !s.framed {
		return s.endCopy()
	}
	return s.progress(time.Now())
}

// beginManifest announces the manifest.
func (s *backupStream) beginManifest() error {
	if !s.framed {
		return s.beginCopy()
	}
	return s.control([]byte{'m'})
}

// endManifest sends what is left of it.
func (s *backupStream) endManifest() error {
	if err := s.send(); err != nil || s.framed {
		return err
	}
	return s.endCopy()
}

// end says up to where the backup needs the log.
func (s *backupStream) end(lsn xlog.LSN, tli xlog.TimelineID) error {
	if s.framed {
		if err := s.endCopy(); err != nil {
			return err
		}
	}
	return s.position(lsn, tli)
}

// control sends a message of the framed kind that is no data.
func (s *backupStream) control(payload []byte) error {
	if err := s.c.put(&pgproto3.CopyData{Data: payload}); err != nil {
		return err
	}
	return s.c.flush()
}

// Write sends data of an archive, compressed or not, or of the manifest.
func (s *backupStream) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := min(len(p), s.data+backupChunk-len(s.msg))
		s.msg, p = append(s.msg, p[:room]...), p[room:]
		if len(s.msg) == s.data+backupChunk {
			if err := s.send(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// send sends the CopyData as far as it is filled.
func (s *backupStream) send() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	n := len(s.msg) - s.data
	if n == 0 {
		return nil
	}
	if !s.discard {
		if err := s.c.flush(); err != nil { // notices come before
			return err
		}
		binary.BigEndian.PutUint32(s.msg[1:], uint32(len(s.msg)-1))
		if _, err := s.c.write(s.msg); err != nil {
			return err
		}
	}
	s.msg = s.msg[:s.data]
	if err := s.limit.wait(s.ctx, n); err != nil {
		return err
	}
	return s.mayProgress()
}

// mayProgress reports progress when it is time.
func (s *backupStream) mayProgress() error {
	if !s.framed || s.done-s.reported < progressBytes {
		return nil
	}
	s.reported = s.done
	now := time.Now()
	if d := now.Sub(s.clock); d >= 0 && d < progressInterval {
		return nil
	}
	return s.progress(now)
}

func (s *backupStream) progress(now time.Time) error {
	s.reported, s.clock = s.done, now
	return s.control(binary.BigEndian.AppendUint64([]byte{'p'}, uint64(s.done)))
}
