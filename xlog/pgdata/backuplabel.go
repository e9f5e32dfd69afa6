// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// Names of the files that a base backup carries for the recovery which follows it.
const (
	BackupLabelName   = "backup_label"
	TablespaceMapName = "tablespace_map"
)

var (
	// ErrBackupLabel says that a backup_label cannot be understood.
	ErrBackupLabel = errors.New("invalid backup_label")
	// ErrTablespaceMap says that a tablespace_map cannot be understood.
	ErrTablespaceMap = errors.New("invalid tablespace_map")
)

// BackupLabel is the content of backup_label: where the recovery of a base backup begins (build_backup_content in
// src/backend/access/transam/xlogbackup.c, read_backup_label in xlogrecovery.c; xlog.c before PostgreSQL 15).
type BackupLabel struct {
	StartWAL      xlog.LSN // redo position of the backup's checkpoint
	StartWALFile  string   // name of the segment that holds it
	Checkpoint    xlog.LSN // position of the checkpoint record
	Method        string   // streamed, or pg_rewind; empty when absent
	From          string   // primary (master before PostgreSQL 14) or standby; empty when absent
	StartTime     string   // as the server printed it, in its log_timezone; for people
	Label         string
	StartTimeline xlog.TimelineID

	// Of an incremental backup (PostgreSQL 17 on), else zero. Such a backup is not yet a data directory.
	IncrementalFromLSN xlog.LSN
	IncrementalFromTLI xlog.TimelineID
}

// ParseBackupLabel reads a backup_label. It insists on the order and the spelling in which PostgreSQL writes the
// lines. Those after the first two may be missing, as in the file that pg_rewind leaves.
func ParseBackupLabel(text []byte) (*BackupLabel, error) {
	r := labelReader{rest: string(text)}
	l := new(BackupLabel)
	l.StartWAL, l.StartWALFile = r.startWAL()
	l.Checkpoint = r.lsn("CHECKPOINT LOCATION", r.line("CHECKPOINT LOCATION", true))
	l.Method = r.line("BACKUP METHOD", false)
	l.From = r.line("BACKUP FROM", false)
	l.StartTime = r.line("START TIME", false)
	l.Label = r.line("LABEL", false)
	l.StartTimeline = r.timeline("START TIMELINE", r.line("START TIMELINE", false))
	if v := r.line("INCREMENTAL FROM LSN", false); v != "" {
		if l.IncrementalFromLSN = r.lsn("INCREMENTAL FROM LSN", v); !l.IncrementalFromLSN.Valid() {
			r.fail("INCREMENTAL FROM LSN: %q", v)
		}
		l.IncrementalFromTLI = r.timeline("INCREMENTAL FROM TLI", r.line("INCREMENTAL FROM TLI", true))
	}
	if r.err == nil && r.rest != "" {
		r.fail("line %d: unexpected %q", r.number+1, firstLine(r.rest))
	}
	if r.err == nil {
		l.checkTimeline(&r)
	}
	if r.err != nil {
		return nil, r.err
	}
	return l, nil
}

// checkTimeline compares the timeline with that in the segment's name, and sets it from there when the line for it
// is missing.
func (l *BackupLabel) checkTimeline(r *labelReader) {
	named, err := strconv.ParseUint(l.StartWALFile[:8], 16, 32)
	switch {
	case err != nil || named == 0:
		r.fail("timeline in file name %q", l.StartWALFile)
	case l.StartTimeline == 0:
		l.StartTimeline = xlog.TimelineID(named)
	case l.StartTimeline != xlog.TimelineID(named):
		r.fail("timeline is %d, but that of the file %s is %d", l.StartTimeline, l.StartWALFile, named)
	}
}

// Format writes the file that ParseBackupLabel reads.
func (l *BackupLabel) Format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "START WAL LOCATION: %s (file %s)\n", l.StartWAL, l.StartWALFile)
	fmt.Fprintf(&b, "CHECKPOINT LOCATION: %s\n", l.Checkpoint)
	for _, line := range [][2]string{{"BACKUP METHOD", l.Method}, {"BACKUP FROM", l.From}, {"START TIME", l.StartTime}} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", line[0], line[1])
		}
	}
	fmt.Fprintf(&b, "LABEL: %s\n", l.Label)
	fmt.Fprintf(&b, "START TIMELINE: %d\n", l.StartTimeline)
	if l.IncrementalFromLSN.Valid() {
		fmt.Fprintf(&b, "INCREMENTAL FROM LSN: %s\n", l.IncrementalFromLSN)
		fmt.Fprintf(&b, "INCREMENTAL FROM TLI: %d\n", l.IncrementalFromTLI)
	}
	return b.Bytes()
}

// labelReader takes the lines off a label one after the other. After the first error it finds nothing more.
type labelReader struct {
	rest   string
	number int // lines read
	err    error
}

func (r *labelReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrBackupLabel, fmt.Sprintf(format, args...))
	}
}

// line is the value of the next line if that line has the keyword. Only a label may be empty.
func (r *labelReader) line(keyword string, required bool) string {
	value, found := strings.CutPrefix(r.rest, keyword+": ")
	if r.err != nil || !found {
		if required {
			r.fail("line %d: %s expected, got %q", r.number+1, keyword, firstLine(r.rest))
		}
		return ""
	}
	value, rest, ended := strings.Cut(value, "\n")
	if !ended || (value == "" && keyword != "LABEL") {
		r.fail("line %d is not complete", r.number+1)
		return ""
	}
	r.rest = rest
	r.number++
	return value
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line[:min(len(line), 80)]
}

// startWAL reads "LSN (file NAME)".
func (r *labelReader) startWAL() (xlog.LSN, string) {
	const keyword = "START WAL LOCATION"
	value := r.line(keyword, true)
	pos, file, ok1 := strings.Cut(value, " (file ")
	name, ok2 := strings.CutSuffix(file, ")")
	if !ok1 || !ok2 || !xlog.IsSegmentName(name) {
		r.fail("%s: %q", keyword, value)
		return 0, ""
	}
	return r.lsn(keyword, pos), name
}

func (r *labelReader) lsn(keyword, value string) xlog.LSN {
	l, err := xlog.ParseLSN(value)
	if err != nil {
		r.fail("%s: %v", keyword, err)
	}
	return l
}

// timeline reads a timeline; it is 0 for a line that is not there.
func (r *labelReader) timeline(keyword, value string) xlog.TimelineID {
	if value == "" {
		return 0
	}
	t, err := strconv.ParseUint(value, 10, 32)
	if err != nil || t == 0 {
		r.fail("%s: %q", keyword, value)
	}
	return xlog.TimelineID(t)
}

// A MappedTablespace is a line of tablespace_map: the link that recovery makes in pg_tblspc.
type MappedTablespace struct {
	OID  uint32
	Path string // of the directory linked to
}

// mapEscapes14 is the first major version that escapes the backslashes of a path in tablespace_map, and not only the
// ends of lines in it.
const mapEscapes14 = 14

// ParseTablespaceMap reads the tablespace_map of a server of the given major version (read_tablespace_map in
// src/backend/access/transam/xlogrecovery.c). A backslash takes its special meaning from the byte after it.
func ParseTablespaceMap(text []byte, major int) ([]MappedTablespace, error) {
	var spaces []MappedTablespace
	var line []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && (major >= mapEscapes14 || isLineEnd(text[i+1])):
			i++
			line = append(line, text[i])
		case !isLineEnd(c):
			line = append(line, c)
		case len(line) > 0: // else it is \r\n, or an empty line
			s, err := parseMapLine(string(line))
			if err != nil {
				return nil, err
			}
			spaces = append(spaces, s)
			line = line[:0]
		}
	}
	if len(line) > 0 {
		return nil, fmt.Errorf("%w: last line %q has no end", ErrTablespaceMap, line)
	}
	return spaces, nil
}

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }

// parseMapLine takes an OID, one space and a path, which may begin with spaces.
func parseMapLine(line string) (MappedTablespace, error) {
	oid, path, ok := strings.Cut(line, " ")
	n, err := strconv.ParseUint(oid, 10, 32)
	if !ok || err != nil || n == 0 || path == "" || strings.ContainsRune(path, 0) {
		return MappedTablespace{}, fmt.Errorf("%w: line %q", ErrTablespaceMap, line)
	}
	return MappedTablespace{OID: uint32(n), Path: path}, nil
}

// FormatTablespaceMap writes the file that ParseTablespaceMap reads.
func FormatTablespaceMap(spaces []MappedTablespace, major int) []byte {
	escape := strings.NewReplacer("\n", "\\\n", "\r", "\\\r")
	if major >= mapEscapes14 {
		escape = strings.NewReplacer("\\", "\\\\", "\n", "\\\n", "\r", "\\\r")
	}
	var b bytes.Buffer
	for _, s := range spaces {
		fmt.Fprintf(&b, "%d %s\n", s.OID, escape.Replace(s.Path))
	}
	return b.Bytes()
}

// ReadBackupLabel reads the backup_label of a data directory. It is fs.ErrNotExist when there is none: PostgreSQL
// removes it when it has read it for the first time.
func ReadBackupLabel(fsys vfs.FS, dir string) (*BackupLabel, error) {
	path := filepath.Join(dir, BackupLabelName)
	text, err := readText(fsys, path)
	if err != nil {
		return nil, err
	}
	l, err := ParseBackupLabel(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// ReadTablespaceMap reads the tablespace_map of a data directory of the given major version. It is fs.ErrNotExist
// when there is none.
func ReadTablespaceMap(fsys vfs.FS, dir string, major int) ([]MappedTablespace, error) {
	path := filepath.Join(dir, TablespaceMapName)
	text, err := readText(fsys, path)
	if err != nil {
		return nil, err
	}
	spaces, err := ParseTablespaceMap(text, major)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return spaces, nil
}
