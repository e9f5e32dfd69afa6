// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"fmt"
	"strconv"
	"strings"
)

// printer builds the text of a command for one server. It keeps the first error.
type printer struct {
	server Server
	b      strings.Builder
	err    error
}

func newPrinter(s Server, words string) *printer {
	p := &printer{server: s}
	p.b.WriteString(words)
	return p
}

func (p *printer) done() (string, error) {
	if p.err != nil {
		return "", p.err
	}
	return p.b.String(), nil
}

func (p *printer) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
	}
}

// need fails when the server is older than the major version that brought what is asked for.
func (p *printer) need(major int, what string) {
	if !p.server.atLeast(major) {
		p.fail("%s needs version %d, server has %d", what, major, p.server.Major())
	}
}

// word adds a word if cond holds.
func (p *printer) word(cond bool, w string) {
	if cond {
		p.b.WriteByte(' ')
		p.b.WriteString(w)
	}
}

// identifier adds a quoted identifier. Many servers' scanners have no way to write a quote inside one, and all cut off
// what is longer than 63 bytes.
func (p *printer) identifier(what, name string) {
	if name == "" || len(name) > maxIdentifier || strings.ContainsAny(name, "\"\x00") {
		p.fail("%s %q cannot be written", what, name)
	}
	p.b.WriteString(` "`)
	p.b.WriteString(name)
	p.b.WriteByte('"')
}

// literal is a string constant: quotes are doubled, a backslash means itself.
func (p *printer) literal(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		p.fail("string %q cannot be written", s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// Format implements Command.
func (c IdentifySystem) Format(Server) (string, error) { return "IDENTIFY_SYSTEM", nil }

// Format implements Command.
func (c UploadManifest) Format(s Server) (string, error) {
	p := newPrinter(s, "UPLOAD_MANIFEST")
	p.need(17, "UPLOAD_MANIFEST")
	return p.done()
}

// Format implements Command.
func (c SQL) Format(Server) (string, error) { return c.Text, nil }

// Format implements Command. The name is printed plain where that reads back as the same name.
func (c Show) Format(s Server) (string, error) {
	p := newPrinter(s, "SHOW ")
	for i, part := range strings.Split(c.Name, ".") {
		if i > 0 {
			p.b.WriteByte('.')
		}
		if plainIdentifier(part) {
			p.b.WriteString(part)
			continue
		}
		q := newPrinter(s, "")
		q.identifier("setting", part)
		if q.err != nil {
			p.fail("setting %q cannot be written", c.Name)
		}
		p.b.WriteString(q.b.String()[1:])
	}
	return p.done()
}

// plainIdentifier tells whether s means itself without quotes.
func plainIdentifier(s string) bool {
	if s == "" || len(s) > maxIdentifier || !('a' <= s[0] && s[0] <= 'z' || s[0] == '_') {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}

// Format implements Command.
func (c TimelineHistory) Format(s Server) (string, error) {
	p := newPrinter(s, "TIMELINE_HISTORY ")
	if c.Timeline == 0 {
		p.fail("timeline 0")
	}
	p.b.WriteString(c.Timeline.String())
	return p.done()
}

// Format implements Command.
func (c StartReplication) Format(s Server) (string, error) {
	p := newPrinter(s, "START_REPLICATION")
	if c.Slot != "" {
		p.word(true, "SLOT")
		p.identifier("slot", c.Slot)
	}
	p.word(true, c.Start.String())
	p.word(c.Timeline != 0, "TIMELINE "+c.Timeline.String())
	return p.done()
}

// Format implements Command.
func (c StartLogicalReplication) Format(s Server) (string, error) {
	p := newPrinter(s, "START_REPLICATION SLOT")
	p.identifier("slot", c.Slot)
	p.word(true, "LOGICAL")
	p.word(true, c.Start.String())
	for i, o := range c.Options {
		p.b.WriteString([]string{" (", ","}[min(i, 1)])
		p.identifier("option", o.Name)
		if o.HasValue {
			p.word(true, p.literal(o.Value))
		}
	}
	if len(c.Options) > 0 {
		p.b.WriteByte(')')
	}
	return p.done()
}

// Format implements Command.
func (c ReadReplicationSlot) Format(s Server) (string, error) {
	p := newPrinter(s, "READ_REPLICATION_SLOT")
	p.need(15, "READ_REPLICATION_SLOT")
	p.identifier("slot", c.Slot)
	return p.done()
}

// Format implements Command.
func (c DropReplicationSlot) Format(s Server) (string, error) {
	p := newPrinter(s, "DROP_REPLICATION_SLOT")
	p.identifier("slot", c.Slot)
	p.word(c.Wait, "WAIT")
	return p.done()
}

// Format implements Command.
func (c CreateReplicationSlot) Format(s Server) (string, error) {
	p := newPrinter(s, "CREATE_REPLICATION_SLOT")
	p.identifier("slot", c.Slot)
	p.word(c.Temporary, "TEMPORARY")
	if c.Plugin == "" {
		p.word(true, "PHYSICAL")
	} else {
		p.word(true, "LOGICAL")
		p.identifier("output plugin", c.Plugin)
	}
	if err := c.check(); err != nil {
		return "", err
	}
	if s.optionLists() {
		c.printList(p)
	} else {
		c.printWords(p)
	}
	return p.done()
}

// check refuses what the server calls conflicting options.
func (c CreateReplicationSlot) check() error {
	switch {
	case c.Plugin != "" && c.ReserveWAL:
		return fmt.Errorf("%w: RESERVE_WAL for a logical slot", ErrUnsupported)
	case c.Plugin == "" && (c.Snapshot != "" || c.TwoPhase || c.Failover):
		return fmt.Errorf("%w: option of a logical slot for a physical one", ErrUnsupported)
	}
	return nil
}

func (c CreateReplicationSlot) printList(p *printer) {
	l := optionList{printer: p}
	l.flag(c.ReserveWAL, "RESERVE_WAL")
	l.text("SNAPSHOT", string(c.Snapshot))
	l.flag(c.TwoPhase, "TWO_PHASE")
	if c.Failover {
		p.need(17, "FAILOVER")
		l.flag(true, "FAILOVER")
	}
	l.close()
}

func (c CreateReplicationSlot) printWords(p *printer) {
	if c.TwoPhase {
		p.need(15, "TWO_PHASE")
	}
	if c.Failover {
		p.need(17, "FAILOVER")
	}
	p.word(c.ReserveWAL, "RESERVE_WAL")
	switch c.Snapshot {
	case SnapshotDefault:
	case SnapshotExport:
		p.word(true, "EXPORT_SNAPSHOT")
	case SnapshotNothing:
		p.word(true, "NOEXPORT_SNAPSHOT")
	case SnapshotUse:
		p.word(true, "USE_SNAPSHOT")
	default:
		p.fail("snapshot action %q", c.Snapshot)
	}
}

// Format implements Command.
func (c AlterReplicationSlot) Format(s Server) (string, error) {
	p := newPrinter(s, "ALTER_REPLICATION_SLOT")
	p.need(17, "ALTER_REPLICATION_SLOT")
	p.identifier("slot", c.Slot)
	l := optionList{printer: p}
	if c.Failover != nil {
		l.item("FAILOVER", strconv.FormatBool(*c.Failover))
	}
	if c.TwoPhase != nil {
		p.need(18, "TWO_PHASE in ALTER_REPLICATION_SLOT")
		l.item("TWO_PHASE", strconv.FormatBool(*c.TwoPhase))
	}
	if l.n == 0 {
		p.fail("ALTER_REPLICATION_SLOT without an option")
	}
	l.close()
	return p.done()
}

// Format implements Command.
func (c BaseBackup) Format(s Server) (string, error) {
	p := newPrinter(s, "BASE_BACKUP")
	if c.ManifestChecksums != "" && c.Manifest == ManifestNo {
		p.fail("manifest checksums without a manifest")
	}
	if len(c.Exclude) > 0 && !s.hasExclude() {
		p.fail("EXCLUDE is Greenplum's")
	}
	if s.optionLists() {
		c.printList(p)
	} else {
		c.printWords(p)
	}
	return p.done()
}

func (c BaseBackup) printWords(p *printer) {
	p.word(c.Label != "", "LABEL "+p.literal(c.Label))
	p.word(c.Progress, "PROGRESS")
	p.word(c.FastCheckpoint, "FAST")
	p.word(c.WAL, "WAL")
	p.word(c.NoWait, "NOWAIT")
	p.word(c.MaxRate != 0, "MAX_RATE "+strconv.FormatUint(uint64(c.MaxRate), 10))
	p.word(c.TablespaceMap, "TABLESPACE_MAP")
	p.word(c.NoVerifyChecksums, "NOVERIFY_CHECKSUMS")
	if c.Manifest != ManifestNo {
		p.need(13, "MANIFEST")
		p.word(true, "MANIFEST "+p.literal(string(c.Manifest)))
		p.word(c.ManifestChecksums != "", "MANIFEST_CHECKSUMS "+p.literal(c.ManifestChecksums))
	}
	for _, path := range c.Exclude {
		p.word(true, "EXCLUDE "+p.literal(path))
	}
	if c.Target != "" || c.TargetDetail != "" || c.Compression != "" || c.CompressionDetail != "" {
		p.need(15, "TARGET or COMPRESSION")
	}
	if c.Incremental {
		p.need(17, "INCREMENTAL")
	}
}

func (c BaseBackup) printList(p *printer) {
	if len(c.Exclude) > 0 {
		p.fail("EXCLUDE has no list syntax")
	}
	l := optionList{printer: p}
	if c.Incremental {
		p.need(17, "INCREMENTAL")
		l.flag(true, "INCREMENTAL")
	}
	l.text("LABEL", c.Label)
	l.flag(c.Progress, "PROGRESS")
	l.flag(c.WAL, "WAL")
	if c.FastCheckpoint {
		l.text("CHECKPOINT", "fast")
	}
	if c.NoWait {
		l.item("WAIT", "0")
	}
	if c.MaxRate != 0 {
		l.item("MAX_RATE", strconv.FormatUint(uint64(c.MaxRate), 10))
	}
	l.flag(c.TablespaceMap, "TABLESPACE_MAP")
	if c.NoVerifyChecksums {
		l.item("VERIFY_CHECKSUMS", "0")
	}
	l.text("MANIFEST", string(c.Manifest))
	l.text("MANIFEST_CHECKSUMS", c.ManifestChecksums)
	l.text("TARGET", c.Target)
	l.text("TARGET_DETAIL", c.TargetDetail)
	l.text("COMPRESSION", c.Compression)
	l.text("COMPRESSION_DETAIL", c.CompressionDetail)
	l.close()
}

// optionList prints " (NAME value, ...)", or nothing when there is no option.
type optionList struct {
	*printer
	n int
}

func (l *optionList) item(name, value string) {
	if l.n == 0 {
		l.b.WriteString(" (")
	} else {
		l.b.WriteString(", ")
	}
	l.n++
	l.b.WriteString(name)
	if value != "" {
		l.b.WriteByte(' ')
		l.b.WriteString(value)
	}
}

func (l *optionList) flag(cond bool, name string) {
	if cond {
		l.item(name, "")
	}
}

func (l *optionList) text(name, value string) {
	if value != "" {
		l.item(name, l.literal(value))
	}
}

func (l *optionList) close() {
	if l.n > 0 {
		l.b.WriteByte(')')
	}
}
