// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// BaseBackup copies a running server into cfg.Dir, with the WAL that makes the copy consistent: what pg_basebackup does
// in its plain format. Servers are PostgreSQL 12 and later and Greenplum 7.
//
//	result, err := walreceiver.BaseBackup(ctx, walreceiver.BackupConfig{
//		ConnString:     "host=db1 user=replicator",
//		Dir:            "/data/standby",
//		Slot:           "standby",
//		CreateSlot:     true,
//		FastCheckpoint: true,
//	})
//
// # Whole or marked
//
// The first file in Dir is pgdata.IncompleteMarker, and it is the last to go. global/pg_control, without which no
// server starts, gets its name when everything else is durable. So whatever stops a backup, its directory says that it
// is not one.
//
//	mkdir, pgdata.IncompleteMarker        (durable)
//	files, pg_wal, backup_manifest        each synced in the background as it is finished
//	links in pg_tblspc, directories       synced
//	pg_control.walmirror -> pg_control    renamed, synced
//	pgdata.IncompleteMarker               removed, tablespaces' first, synced
//
// # What is checked
//
// From PostgreSQL 13 on each file's size and checksum, taken while it is written, are compared with the server's
// manifest, and the manifest with its own checksum; a file too many or too few is an error as well (ErrMismatch,
// ErrManifest). The archives are not trusted: no name leads out of the directory it is unpacked in, links are made only
// from the server's list of tablespaces, modes are those of a data directory (ErrArchive).
//
// # Memory and time
//
// Some 150 bytes for each file until the manifest has come, buffers of less than 2 MiB, what a decompressor needs. ctx
// ends everything; a server that falls silent is noticed by cfg.IdleTimeout, and by TCP keepalives during its
// checkpoint.
func BaseBackup(ctx context.Context, cfg BackupConfig) (*BackupResult, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if _, err := checkDir(cfg.Dir, cfg.Force); err != nil {
		return nil, fmt.Errorf("base backup: %w", err)
	}
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	b := &backup{cfg: cfg, abort: abort}
	err := b.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // what came of it is of no interest
	}
	if err = errors.Join(err, b.close(err != nil)); err != nil {
		return nil, fmt.Errorf("base backup: %w", err)
	}
	return &b.result, nil
}

// backup is one base backup on its way.
type backup struct {
	cfg    BackupConfig
	abort  context.CancelCauseFunc
	events sync.Mutex

	conn     *Conn
	identity SystemIdentity
	size     xlog.SegmentSize
	modes    fileModes
	madeSlot bool // by us

	dir      *backupDir        // the data directory
	dirs     []*backupDir      // it, then the tablespaces' directories
	targets  map[string]target // by archive, without suffixes: base, or the tablespace's OID
	done     BackupProgress
	unpacker unpacker
	wal      *backupWAL
	result   BackupResult
}

// run makes the backup in the order that the comment of BaseBackup gives.
func (b *backup) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		b.connect, b.identify, b.createSlot, b.prepare, b.receive, b.waitWAL, b.configure, b.finish,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) event(e Event) {
	if b.cfg.OnEvent == nil {
		return
	}
	b.events.Lock()
	defer b.events.Unlock()
	b.cfg.OnEvent(e)
}

func (b *backup) connect(ctx context.Context) (err error) {
	b.conn, err = Connect(ctx, b.cfg.ConnString, ConnectOptions{
		ApplicationName: b.cfg.ApplicationName,
		OnNotice:        func(n *protocol.Error) { b.event(ServerNotice{n}) },
	})
	if err != nil {
		return err
	}
	b.result.Server = b.conn.Server()
	return b.cfg.forServer(b.conn.Server().Server)
}

func (b *backup) identify(ctx context.Context) (err error) {
	if b.identity, err = b.conn.IdentifySystem(ctx); err != nil {
		return err
	}
	if b.size, err = b.conn.SegmentSize(ctx); err != nil {
		return err
	}
	mode, err := b.conn.Show(ctx, "data_directory_mode")
	if err != nil {
		return err
	}
	b.modes = ownerModes
	if mode == "0750" {
		b.modes = groupModes
	}
	b.result.SystemID, b.result.SegmentSize, b.result.Dir = b.identity.SystemID, b.size, b.cfg.Dir
	return nil
}

// prepare makes the data directory and, where the WAL needs it already, pg_wal.
func (b *backup) prepare(context.Context) (err error) {
	if b.dir, err = prepareDir(b.cfg.Dir, b.modes.dir, b.cfg.Force); err != nil {
		return err
	}
	b.dirs = append(b.dirs, b.dir)
	b.unpacker = unpacker{
		modes: b.modes, sync: newFileSyncer(b.cfg.NoSync),
		onLink: b.link, progress: b.progress,
	}
	if !b.cfg.NoManifest {
		b.unpacker.sums = newChecksumLog(b.cfg.ManifestChecksums)
	}
	base := target{dir: b.dir, base: true, made: map[string]bool{}}
	if b.cfg.WAL == WALStream {
		base.made["pg_wal"], base.made["pg_wal/archive_status"] = true, true
		err = b.dir.root.Mkdir("pg_wal", b.modes.dir)
	}
	b.targets = map[string]target{"base": base}
	return err
}

func (b *backup) createSlot(ctx context.Context) error {
	b.result.Slot = b.cfg.Slot
	if !b.cfg.CreateSlot {
		return nil
	}
	err := b.conn.CreateSlot(ctx, b.cfg.Slot, SlotOptions{})
	if errors.Is(err, ErrSlotExists) && b.cfg.ReuseSlot {
		return nil
	}
	b.madeSlot = err == nil
	return err
}

func (b *backup) configure(context.Context) error {
	if b.cfg.Configure == nil {
		return nil
	}
	return b.cfg.Configure(b.cfg.Dir)
}

// receive runs BASE_BACKUP from its start to its end.
func (b *backup) receive(ctx context.Context) error {
	release := b.conn.Bind(ctx)
	defer release()
	b.event(BackupRequested{b.cfg.Label})
	b.conn.SetTimeouts(0, time.Minute)
	stream, err := b.conn.Client().BaseBackup(b.cfg.command())
	if err != nil {
		return err
	}
	b.conn.SetTimeouts(b.cfg.IdleTimeout, time.Minute)
	b.result.Start = Position{Timeline: stream.Start.Timeline, LSN: stream.Start.LSN}
	if err := b.placeTablespaces(stream.Tablespaces); err != nil {
		return err
	}
	b.event(BackupStarted{b.result.Start, b.result.Tablespaces})
	if b.cfg.WAL == WALStream {
		b.wal, err = startWAL(ctx, &b.cfg, b.identity, b.size, b.result.Start, b.event, b.abort)
		if err != nil {
			return err
		}
	}
	if b.cfg.Keep != nil {
		if b.unpacker.keep, err = b.cfg.Keep(ctx); err != nil {
			return err
		}
	}
	if err := b.sections(&sectionReader{stream: stream}); err != nil {
		return err
	}
	end, err := stream.End()
	if err != nil {
		return err
	}
	b.result.End = Position{Timeline: end.Timeline, LSN: end.LSN}
	b.event(BackupEnded{b.result.End})
	return nil
}

// placeTablespaces makes the directories of what the server announced.
func (b *backup) placeTablespaces(announced []protocol.Tablespace) error {
	for _, t := range announced {
		b.done.Total += max(t.Size, 0) * 1024
		if t.OID != 0 {
			b.result.Tablespaces = append(b.result.Tablespaces,
				BackupTablespace{OID: t.OID, Location: t.Location, Size: max(t.Size, 0) * 1024})
		}
	}
	plan := tablespacePlan{
		dataDir: b.cfg.Dir, mapping: b.cfg.TablespaceMapping, dbid: b.cfg.DBID, inPlace: b.cfg.Keep != nil,
	}
	if err := plan.place(b.result.Tablespaces); err != nil {
		return err
	}
	for _, m := range plan.unused(b.result.Tablespaces) {
		b.event(BackupMappingUnused{m})
	}
	for _, t := range b.result.Tablespaces {
		if err := b.prepareTablespace(t); err != nil {
			return fmt.Errorf("tablespace %d: %w", t.OID, err)
		}
	}
	return nil
}

func (b *backup) prepareTablespace(t BackupTablespace) error {
	tgt := target{prefix: t.linkName() + "/"}
	if t.InPlace {
		if err := b.dir.root.MkdirAll(t.linkName(), b.modes.dir); err != nil {
			return err
		}
		root, err := b.dir.root.OpenRoot(t.linkName())
		if err != nil {
			return err
		}
		tgt.dir = &backupDir{path: t.Dir, root: root, part: true}
		base := b.targets["base"]
		base.made["pg_tblspc"], base.made[t.linkName()] = true, true
	} else {
		dir, err := prepareDir(t.Dir, b.modes.dir, b.cfg.Force)
		if err != nil {
			return err
		}
		tgt.dir = dir
	}
	b.dirs = append(b.dirs, tgt.dir)
	b.targets[strconv.FormatUint(uint64(t.OID), 10)] = tgt
	return nil
}

// sections unpacks every archive and checks the manifest.
func (b *backup) sections(r *sectionReader) error {
	manifest := false
	for {
		ev, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return b.complete(manifest)
		case err != nil:
			return err
		case ev.Kind == protocol.BackupManifest:
			manifest = true
			err = b.manifest(r)
		default:
			err = b.archive(ev.Name, r)
		}
		if err != nil {
			return err
		}
	}
}

func (b *backup) archive(name string, r io.Reader) error {
	base, plain, err := decompress(name, r)
	if err != nil {
		return err
	}
	defer plain.Close()
	t, ok := b.targets[base]
	if !ok {
		return fmt.Errorf("%w: %q was not announced or comes twice", ErrArchive, name)
	}
	delete(b.targets, base)
	if err := b.unpacker.Unpack(plain, t); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// complete tells whether everything has come.
func (b *backup) complete(manifest bool) error {
	for name := range b.targets {
		return fmt.Errorf("%w: %s.tar is missing", ErrArchive, name)
	}
	if !b.unpacker.control {
		return fmt.Errorf("%w: %s is missing", ErrArchive, controlFile)
	}
	if !manifest && !b.cfg.NoManifest {
		return fmt.Errorf("%w: it is missing", ErrManifest)
	}
	return nil
}

// manifest keeps the manifest as it is and compares each entry with what arrived.
func (b *backup) manifest(r io.Reader) error {
	if b.unpacker.keep != nil {
		return b.checkManifest(r)
	}
	f, err := b.dir.root.OpenFile("backup_manifest", os.O_CREATE|os.O_EXCL|os.O_WRONLY, b.modes.file)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, unpackSize)
	if err := errors.Join(b.checkManifest(io.TeeReader(r, w)), w.Flush()); err != nil {
		return errors.Join(err, f.Close())
	}
	return b.unpacker.sync.Add(f)
}

func (b *backup) checkManifest(r io.Reader) error {
	sums := b.unpacker.sums
	if sums == nil {
		return fmt.Errorf("%w: nobody asked for it", ErrManifest)
	}
	m, err := ReadManifest(r, sums.check)
	if err != nil {
		return err
	}
	if m.SystemID != 0 && m.SystemID != b.identity.SystemID {
		return &SystemIdentifierError{Ours: b.identity.SystemID, Server: m.SystemID}
	}
	b.result.Verified, b.result.Algorithm = m.Files, sums.algorithm
	return sums.checkRest()
}

// link is called for a symbolic link in the data directory. Links are made at the end, from the announcement.
func (b *backup) link(m tarMember) error {
	expected, err := checkLink(m, b.result.Tablespaces)
	if err == nil && !expected {
		b.event(BackupLinkSkipped{m.Name, m.Link})
	}
	return err
}

// progress counts bytes of archives; file is set when one begins.
func (b *backup) progress(file string, n int64) {
	b.done.Done += n
	b.done.Total = max(b.done.Total, b.done.Done)
	if file != "" {
		b.done.File = file
	}
	if b.cfg.Progress != nil {
		b.cfg.Progress(b.done)
	}
}

func (b *backup) waitWAL(ctx context.Context) error {
	if b.wal == nil {
		return nil
	}
	if err := b.wal.waitFor(ctx, b.result.End.LSN, b.cfg.IdleTimeout); err != nil {
		return err
	}
	w := b.wal
	b.wal = nil
	return w.stop()
}

// finish makes everything durable, then the directory a data directory, then takes the markers away.
func (b *backup) finish(context.Context) error {
	b.event(BackupSyncing{})
	for _, t := range b.result.Tablespaces {
		if t.InPlace {
			continue
		}
		if err := b.dir.root.Symlink(t.Dir, filepath.FromSlash(t.linkName())); err != nil {
			return err
		}
	}
	if b.cfg.DBID > 0 {
		content := fmt.Appendf(nil, "gp_dbid=%d\n", b.cfg.DBID)
		if err := b.dir.writeFile("internal.auto.conf", content, b.modes.file); err != nil {
			return err
		}
	}
	if err := b.settle(); err != nil {
		return err
	}
	if err := b.dir.rename(controlFileTemp, controlFile); err != nil {
		return err
	}
	return b.removeMarkers()
}

// settle waits until all files are durable and makes their names so.
func (b *backup) settle() error {
	s := b.unpacker.sync
	b.unpacker.sync = nil
	if err := s.Wait(); err != nil {
		return err
	}
	b.result.Files, b.result.Bytes = b.unpacker.files, b.unpacker.bytes
	b.result.Left, b.result.LeftBytes = b.unpacker.left, b.unpacker.leftBytes
	if b.cfg.NoSync {
		return nil
	}
	return b.unpacker.syncDirs()
}

// removeMarkers begins with the tablespaces: while the data directory has its marker, none of them is taken for good.
func (b *backup) removeMarkers() error {
	for _, d := range slices.Backward(b.dirs) {
		if err := d.finish(); err != nil {
			return err
		}
	}
	return nil
}

// close lets go of everything. failed says that the backup did not come to its end: a slot that was made for it would
// keep WAL on the server for ever.
func (b *backup) close(failed bool) error {
	if b.wal != nil {
		_ = b.wal.stop()
	}
	if b.unpacker.sync != nil {
		_ = b.unpacker.sync.Wait()
	}
	for _, d := range b.dirs {
		_ = d.Close()
	}
	if b.conn != nil {
		_ = b.conn.Close()
	}
	if failed && b.madeSlot {
		return b.dropSlot()
	}
	return nil
}

// dropSlotTimeout bounds the attempt to drop the slot of a failed backup.
const dropSlotTimeout = 10 * time.Second

func (b *backup) dropSlot() error {
	ctx, cancel := context.WithTimeout(context.Background(), dropSlotTimeout)
	defer cancel()
	conn, err := Connect(ctx, b.cfg.ConnString, ConnectOptions{ApplicationName: b.cfg.ApplicationName})
	if err == nil {
		defer conn.Close()
		err = conn.DropSlot(ctx, b.cfg.Slot, true)
	}
	if err != nil && !errors.Is(err, ErrSlotNotFound) {
		return fmt.Errorf("slot %q was made for it and is left on the server: %w", b.cfg.Slot, err)
	}
	return nil
}
