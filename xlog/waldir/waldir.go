// SPDX-License-Identifier: Apache-2.0

// Package waldir stores a stream of write-ahead log in a directory of segment files, so that what it calls durable
// is found again after a power cut, and reads it back. It writes either of two layouts:
//
//   - an archive, as pg_receivewal does (src/bin/pg_basebackup/walmethods.c): a segment is NAME.partial while it is
//     received and NAME, or NAME.gz, .lz4, .zst, once it is complete;
//   - pg_wal of a data directory, as PostgreSQL's walreceiver does (src/backend/replication/walreceiver.c): a
//     segment has its final name and its full length from the first byte, and archive_status/NAME.done once it is
//     complete.
//
// Use:
//
//	d, err := waldir.Open(waldir.Config{Path: "archive", Partial: true})
//	tli, lsn, ok := d.Resume()            // what is there already; not ok: choose a start
//	err = d.Begin(tli, lsn)
//	for each piece of the stream {
//		err = d.Write(lsn, piece)     // in the receiving goroutine
//	}
//	flushed, err := d.Sync()              // in another one, as often as wanted
//	err = d.Close()
//
// # Files
//
//	archive                               pg_wal
//	000000010000000000000005.zst          000000010000000000000005     complete
//	000000010000000000000006              000000010000000000000006     complete
//	000000010000000000000007.partial      000000010000000000000007     being received
//	000000010000000000000008.ahead        000000010000000000000008     prepared, or written ahead
//	00000002.history                      00000002.history
//	                                      archive_status/000000010000000000000005.done
//	                                      archive_status/000000010000000000000006.done
//	.walmirror.lock                       .walmirror.lock              held while the Dir is open
//
// NAME.tmp in an archive, and xlogtemp.NAME in pg_wal, were not finished; Open removes them.
//
// # Order of operations
//
// A segment goes through these steps, and a crash between any two of them loses nothing that Sync returned:
//
//	prepare   make the file ahead of need and reserve its length (own goroutine)
//	write     pwrite the caller's bytes, keep them (Config.Direct), or let the caller write (goroutine of Write, WriteFile)
//	sync      write what was kept around the page cache, fsync the file (goroutine of Sync)
//	finish    rename NAME.partial to NAME, or make NAME.done (goroutine of Sync)
//	publish   rename the next NAME.ahead to NAME.partial (goroutine of Sync)
//	sync      fsync the directory; only now does Sync return a position behind the segment
//
// Names become durable in the order of the segments: before one is made, the segment before it has a durable name.
// So a gap in the names is never the work of a crash, and Resume finds everything that was not finished.
//
// Writing runs ahead of finishing. In an archive the segments that are ahead are called NAME.ahead, which
// pg_receivewal does not look at: as it goes on behind the newest segment it finds, a NAME.partial must never have
// another segment behind it. In a data directory they have their final names, and the missing NAME.done tells Resume
// that a segment was not finished.
//
// A full segment costs two fsyncs in an archive, its own and the directory's. In pg_wal it costs four, two of them
// while the file is prepared: PostgreSQL must never see a segment's name with less than its length behind it.
//
// # Errors
//
// A failed fsync is final, because the kernel may have dropped the pages and would call the next fsync a success:
// the error comes back from every later Write and Sync, and nothing more is acknowledged. Other errors, a full disk
// among them (errors.Is(err, syscall.ENOSPC)), leave the Dir usable: everything below Resume's position was
// written, and Begin with that position carries on.
package waldir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

var (
	// ErrClosed says that the Dir is closed.
	ErrClosed = errors.New("WAL directory is closed")
	// ErrPosition says that WAL was offered which does not follow what was written.
	ErrPosition = errors.New("WAL is not contiguous")
	// ErrHistoryDiffers says that a timeline history file exists with other content.
	ErrHistoryDiffers = errors.New("timeline history file exists with different content")
)

const (
	lockName      = ".walmirror.lock"
	statusDirName = "archive_status"
	// maxUnfinished bounds the segments that are written and not finished, and so the open files. When Sync does
	// not keep up, Write finishes segments itself.
	maxUnfinished = 8
)

// Config says where and how to store WAL.
type Config struct {
	Path        string           // the directory; in the archive layout it is made when missing
	FS          vfs.FS           // nil: the operating system's
	SegmentSize xlog.SegmentSize // 0: 16 MiB

	// Partial chooses the archive layout; without it Path is pg_wal of a data directory.
	Partial bool
	// Compress is how complete segments of an archive are stored. It happens behind the receive path.
	Compress Compression
	// NoSync leaves out every fsync: a power cut then loses what Sync called durable.
	NoSync bool
	// Direct writes little pieces around the page cache where the filesystem can do that (O_DIRECT): a Sync that somebody
	// waits for takes less time. Who reads the log as it arrives other than by ReadAt waits for the disk; it is for an
	// archive rather than for a data directory that is replayed. What was written and not synced is lost with the process.
	Direct bool
	// ArchiveAlways is for a data directory whose server has archive_mode = always: complete segments are marked
	// .ready for its archiver. Otherwise they are marked .done, as walreceiver does, so that the server does not
	// archive them a second time once it is promoted.
	ArchiveAlways bool
}

// Dir is an open WAL directory. Begin, Write and WriteFile belong to one goroutine; every other method may run at the same
// time in another.
type Dir struct {
	cfg  Config
	fs   vfs.FS
	size xlog.SegmentSize
	lock io.Closer

	cur  *segment // owner: Begin and Write, which change it under mu; nil between segments
	prep *preparer
	comp *compressor // nil without compression
	read reader

	syncMu sync.Mutex // one Sync, Close or RemoveBefore at a time; taken before mu
	batch  []*segment // owner: syncMu
	blocks []byte     // for direct writes; owner: syncMu

	mu         sync.Mutex
	started    bool            // Begin was called: tli and pos are set
	tli        xlog.TimelineID // timeline being written
	pos        xlog.LSN        // next Write starts here
	whole      xlog.LSN        // pos, but for a piece of which a part was written: what Sync may acknowledge
	durable    xlog.LSN        // what the last Sync returned
	unfinished []*segment      // written or being written, oldest first
	dirty      bool            // names changed since the directory was synced
	dirtyMarks bool            // the same of archive_status
	err        error           // final
	closed     bool
	problems   []error
	resumeTLI  xlog.TimelineID
	resumeLSN  xlog.LSN
}

// Open locks the directory and looks at what it holds. While another process has it, the error is a
// *vfs.LockedError that names the process.
func Open(cfg Config) (*Dir, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	d := &Dir{cfg: cfg, fs: cfg.FS, size: cfg.SegmentSize}
	if cfg.Direct {
		d.blocks = vfs.DirectBuffer(tailSize)
	}
	if err := d.makeDirs(); err != nil {
		return nil, err
	}
	if err := d.takeLock(); err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, d.releaseLock())
	}
	return d, nil
}

func (c *Config) complete() error {
	if c.Path == "" {
		return errors.New("waldir: no directory given")
	}
	if c.FS == nil {
		c.FS = vfs.OS
	}
	if c.SegmentSize == 0 {
		c.SegmentSize = xlog.DefaultSegmentSize
	}
	if err := c.SegmentSize.Validate(); err != nil {
		return err
	}
	if c.Compress.Method != NoCompression && !c.Partial {
		return errors.New("waldir: segments of a data directory cannot be compressed")
	}
	return c.Compress.validate()
}

// makeDirs makes the archive directory, or archive_status in pg_wal. It does not make pg_wal: a missing one means
// that this is no data directory (ValidateXLOGDirectoryStructure in xlog.c decides the same).
func (d *Dir) makeDirs() error {
	if d.cfg.Partial {
		return d.makeDir(d.cfg.Path)
	}
	if _, err := d.fs.Stat(d.cfg.Path); err != nil {
		return err
	}
	return d.makeDir(d.file(statusDirName))
}

func (d *Dir) makeDir(path string) error {
	if st, err := d.fs.Stat(path); err == nil {
		if !st.IsDir() {
			return fmt.Errorf("%s is not a directory", path)
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.fs.Mkdir(path, vfs.DirMode); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

func (d *Dir) takeLock() error {
	locker, ok := d.fs.(vfs.Locker)
	if !ok {
		return nil
	}
	var err error
	d.lock, err = locker.Lock(d.file(lockName))
	return err
}

func (d *Dir) releaseLock() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

func (d *Dir) start() error {
	found, err := d.scan()
	if err != nil {
		return err
	}
	if err := d.removeLeftovers(found); err != nil {
		return err
	}
	if err := d.findResume(found); err != nil {
		return err
	}
	// What an earlier process renamed and did not live to sync counts from now on.
	d.dirty, d.dirtyMarks = true, !d.cfg.Partial
	if err := d.syncNames(); err != nil {
		return err
	}
	d.prep = newPreparer(d)
	if d.cfg.Compress.Method != NoCompression {
		d.comp = newCompressor(d, found)
	}
	return nil
}

// Resume is where streaming should begin. Before the first Begin that comes from the files: behind the last complete
// segment, or at the start of one that is not complete; ok is false when there is nothing. After Begin it is the
// position of the next Write.
func (d *Dir) Resume() (tli xlog.TimelineID, lsn xlog.LSN, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started {
		return d.tli, d.pos, true
	}
	return d.resumeTLI, d.resumeLSN, d.resumeTLI != 0
}

// Problems lists what was found and passed over, such as a segment of the wrong size, and compression that failed.
func (d *Dir) Problems() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]error(nil), d.problems...)
}

func (d *Dir) addProblem(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problems = append(d.problems, err)
}

// Close makes everything durable, removes what was prepared and not used, waits for compression, and lets go of the
// lock. Its error says whether what was written is durable.
func (d *Dir) Close() error {
	_, err := d.Sync()
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.fail(ErrClosed)
	d.mu.Unlock()
	if closed {
		return ErrClosed
	}
	err = errors.Join(err, d.prep.drop(), d.closeFiles())
	if d.comp != nil {
		err = errors.Join(err, d.comp.close())
	}
	return errors.Join(err, d.read.close(), d.releaseLock())
}

func (d *Dir) closeFiles() error {
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, seg := range d.unfinished {
		errs = append(errs, seg.closeFiles())
	}
	d.unfinished, d.cur = nil, nil
	return errors.Join(errs...)
}

// fail makes err the answer to every later call. The caller holds mu.
func (d *Dir) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *Dir) file(name string) string { return filepath.Join(d.cfg.Path, name) }

func (d *Dir) syncDir(path string) error {
	if d.cfg.NoSync {
		return nil
	}
	return d.fs.SyncDir(path)
}
