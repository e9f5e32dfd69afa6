// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"errors"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// backupRun is one BASE_BACKUP (perform_base_backup in src/backend/backup/basebackup.c).
type backupRun struct {
	c        *session
	ctx      context.Context
	id       Identity
	o        backupOptions
	backup   Backup
	control  *pgdata.ControlFile
	start    protocol.Position
	spaces   []BackupTablespace
	out      *backupStream
	manifest *manifest // nil: none is wanted
	pages    *pageChecker
	buf      []byte
}

// baseBackup answers BASE_BACKUP.
func (c *session) baseBackup(ctx context.Context, cmd protocol.BaseBackup) error {
	major := c.server.dialect.Major()
	o, err := newBackupOptions(cmd, major == 0 || major >= 15)
	if err != nil {
		return err
	}
	source, ok := c.server.cfg.Source.(BackupSource)
	if !ok {
		return errorf(codeFeatureNotSupported, "this server has no data directory to take a base backup of")
	}
	c.sender.setState(StateBackup)
	defer c.sender.setState(StateStartup)
	everything := c.server.holds.hold(0)
	backup, err := source.StartBackup(ctx, BackupOptions{Fast: o.FastCheckpoint})
	if err != nil {
		everything()
		return err
	}
	run := newBackupRun(ctx, c, o, backup)
	defer c.server.holds.hold(run.start.LSN)()
	everything()
	err = run.all()
	run.manifest.close()
	return errors.Join(err, backup.Close())
}

// uploadManifest refuses what comes before an incremental backup.
func (c *session) uploadManifest(context.Context) error { return incrementalError() }

func newBackupRun(ctx context.Context, c *session, o backupOptions, b Backup) *backupRun {
	r := &backupRun{
		c: c, ctx: ctx, id: c.server.cfg.Source.Identity(), o: o, backup: b, control: b.Control(),
		spaces: b.Tablespaces(), buf: make([]byte, backupRead),
	}
	r.start = protocol.Position{LSN: r.control.CheckPointCopy.Redo, Timeline: r.control.CheckPointCopy.ThisTimeLineID}
	r.out = newBackupStream(ctx, c, &r.o)
	r.pages = newPageChecker(&r.o, r.control, r.id.Flavour, c.sendNotice)
	return r
}

// all sends the whole backup.
func (r *backupRun) all() (err error) {
	if r.o.Manifest != protocol.ManifestNo {
		if r.manifest, err = newManifest(&r.o, r.major(), r.id.SystemID); err != nil {
			return err
		}
	}
	sizes, err := r.sizes()
	if err != nil {
		return err
	}
	if err := r.out.header(r.start, r.spaces, sizes); err != nil {
		return err
	}
	for i := range r.spaces {
		if err := r.tablespace(&r.spaces[i]); err != nil {
			return err
		}
	}
	end, err := r.main()
	if err != nil {
		return err
	}
	return r.end(end)
}

func (r *backupRun) major() int { return r.c.server.dialect.Major() }

// walk makes a walk through the data directory, or through a tablespace.
func (r *backupRun) walk(t *BackupTablespace, visit func(backupMember) error) *backupWalk {
	w := &backupWalk{
		ctx: r.ctx, main: t == nil, flavour: r.id.Flavour, spaces: r.spaces, links: !r.o.TablespaceMap,
		exclude: r.o.Exclude, wal: []string{archiveStatus}, visit: visit,
		special: func(name string) { r.c.sendNotice(warningf("skipping special file \"./%s\"", name)) },
	}
	if r.major() >= 17 || r.major() == 0 {
		w.wal = append(w.wal, "summaries")
	}
	if w.files = r.backup.Files(); t != nil {
		w.files = t.Files
	}
	return w
}

// sizes are those of the tablespaces and, as the last, of the data directory, where the client wants to know.
func (r *backupRun) sizes() ([]int64, error) {
	if !r.o.Progress {
		return nil, nil
	}
	sizes := make([]int64, len(r.spaces)+1)
	for i := range r.spaces {
		w := r.walk(&r.spaces[i], backupSize(&sizes[i]))
		w.special = func(string) {}
		if err := w.version(&r.spaces[i]); err != nil {
			return nil, err
		}
	}
	w := r.walk(nil, backupSize(&sizes[len(r.spaces)]))
	w.special = func(string) {}
	return sizes, w.dir(".")
}

// archive sends an archive that fill fills.
func (r *backupRun) archive(name string, t *BackupTablespace, fill func(*archive) error) error {
	location := ""
	if t != nil {
		location = t.Location
	}
	if err := r.out.beginArchive(name+r.o.compression.suffix(), location); err != nil {
		return err
	}
	z, err := r.o.compression.writer(r.out)
	if err != nil {
		return err
	}
	a := &archive{
		tarWriter: tarWriter{w: z, count: func(n int) { r.out.done += int64(n) }}, files: r.backup.Files(),
		manifest: r.manifest, checksum: r.o.checksum, pages: r.pages, buf: r.buf,
	}
	if r.manifest == nil {
		a.checksum = "NONE"
	}
	if t != nil {
		a.files, a.prefix = t.Files, t.name()
	}
	if err := fill(a); err != nil {
		z.Close()
		return err
	}
	if r.o.framed { // before 15 the end of the COPY was the end of the archive
		if err := a.pad(2 * tarBlock); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return r.out.endArchive()
}

func (r *backupRun) tablespace(t *BackupTablespace) error {
	return r.archive(t.oid()+".tar", t, func(a *archive) error { return r.walk(t, a.member).version(t) })
}

// main sends the data directory: the label first, the control file after everything else, and then the log.
func (r *backupRun) main() (end BackupEnd, err error) {
	err = r.archive("base.tar", nil, func(a *archive) error {
		label := labelFile(r.control, r.o.Label, time.Now())
		if err := a.content(pgdata.BackupLabelName, label); err != nil {
			return err
		}
		if r.o.TablespaceMap {
			if err := a.content(pgdata.TablespaceMapName, mapFile(r.spaces, r.id.Dialect, r.major())); err != nil {
				return err
			}
		}
		if err := r.walk(nil, a.member).dir("."); err != nil {
			return err
		}
		if end, err = r.controlFile(a); err != nil || !r.o.WAL {
			return err
		}
		return r.wal(a, end)
	})
	return end, err
}

func (r *backupRun) controlFile(a *archive) (BackupEnd, error) {
	end, err := r.backup.End(r.ctx)
	if err != nil {
		return end, err
	}
	content, err := end.Control.Encode()
	if err != nil {
		return end, err
	}
	return end, a.content(pgdata.ControlFileName, content)
}

// wal sends the log that the backup needs, as soon as the source has it.
func (r *backupRun) wal(a *archive, end BackupEnd) error {
	lsn, _ := end.position()
	pos, err := r.waitFlush(lsn)
	if err != nil {
		return err
	}
	w := backupWAL{source: r.c.server.cfg.Source, pos: pos, start: r.start, end: lsn, size: r.id.SegmentSize}
	return w.send(a)
}

// waitFlush waits until the source has announced the log up to lsn. The directory may be ahead of it for a moment.
func (r *backupRun) waitFlush(lsn xlog.LSN) (Position, error) {
	source := r.c.server.cfg.Source
	for {
		changed := source.Changed()
		pos := source.Position()
		if pos.Flush >= lsn {
			return pos, nil
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return pos, context.Cause(r.ctx)
		}
	}
}

// end sends the manifest and the end position.
func (r *backupRun) end(end BackupEnd) error {
	lsn, tli := end.position()
	if r.manifest != nil {
		pos, err := r.waitFlush(lsn)
		if err != nil {
			return err
		}
		if err := r.manifest.ranges(r.start, lsn, tli, pos.History); err != nil {
			return err
		}
		if err := r.manifest.send(r.out); err != nil {
			return err
		}
	}
	if !r.o.NoWait {
		r.c.sendNotice(noticef("WAL archiving is not enabled; you must ensure that all required WAL segments are copied " +
			"through other means to complete the backup"))
	}
	if err := r.out.end(lsn, tli); err != nil {
		return err
	}
	return r.pages.result()
}
