// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// identityFile tells in an archive whose log it holds, so that it can be served while the server is down.
const identityFile = "walmirror.identity"

// origin is the content of identityFile.
type origin struct {
	SystemID    uint64           `json:"system_identifier,string"`
	SegmentSize xlog.SegmentSize `json:"wal_segment_size"`
	Flavour     string           `json:"flavour"`
	Version     int              `json:"server_version_num"`
	VersionText string           `json:"server_version"`
}

// identity says of which server the log in the archive is.
func (o *options) identity(ctx context.Context) (walsender.Identity, error) {
	known, err := readOrigin(o.dir)
	if err == nil {
		return known.identity()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return walsender.Identity{}, err
	}
	if o.primary == "" {
		return identityOfSegments(o.dir)
	}
	if known, err = askOrigin(ctx, o.primary); err != nil {
		return walsender.Identity{}, err
	}
	id, err := known.identity()
	if err != nil {
		return id, err
	}
	return id, known.write(o.dir)
}

func readOrigin(dir string) (g origin, err error) {
	name := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return g, err
	}
	if err := json.Unmarshal(text, &g); err != nil {
		return g, fmt.Errorf("%s: %w", name, err)
	}
	return g, nil
}

// write puts the file in the archive, which is made if it is not there.
func (g origin) write(dir string) error {
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, vfs.DirMode); err != nil {
		return err
	}
	name := filepath.Join(dir, identityFile)
	if err := os.WriteFile(name+".new", append(text, '\n'), vfs.FileMode); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// askOrigin asks a running server.
func askOrigin(ctx context.Context, primary string) (g origin, err error) {
	conn, err := walreceiver.Connect(ctx, primary, walreceiver.ConnectOptions{})
	if err != nil {
		return g, err
	}
	defer conn.Close()
	system, err := conn.IdentifySystem(ctx)
	if err != nil {
		return g, err
	}
	g = origin{
		SystemID: system.SystemID, Flavour: conn.Server().Flavour.String(), Version: conn.Server().Version,
		VersionText: conn.Server().VersionText,
	}
	g.SegmentSize, err = conn.SegmentSize(ctx)
	return g, err
}

func (g origin) identity() (walsender.Identity, error) {
	id := walsender.Identity{
		SystemID: g.SystemID, SegmentSize: g.SegmentSize, Flavour: protocol.FlavourOf(g.Flavour),
		ServerVersion: g.Version, ServerVersionText: g.VersionText, DataDirectoryMode: vfs.DirMode,
	}
	var err error
	id.Dialect, err = xlog.DialectForServer(id.Flavour, g.Version)
	return id, err
}

// identityOfSegments finds out by a segment's first page, which does not tell the minor version, nor Greenplum from the
// PostgreSQL that it stands on.
func identityOfSegments(dir string) (walsender.Identity, error) {
	head, err := firstPage(dir)
	if err != nil {
		return walsender.Identity{}, fmt.Errorf("find out whose log is in %s: %w", dir, err)
	}
	for _, d := range xlog.Dialects() {
		if d.PageMagic() == head.Magic && d.Flavour() == xlog.PostgreSQL && head.Long() {
			return walsender.Identity{
				SystemID: head.SystemID, SegmentSize: head.SegmentSize, Dialect: d, Flavour: d.Flavour(),
				ServerVersion: d.Base() * 10000, ServerVersionText: strconv.Itoa(d.Base()) + ".0", DataDirectoryMode: vfs.DirMode,
			}, head.SegmentSize.Validate()
		}
	}
	return walsender.Identity{}, fmt.Errorf("%s: a segment begins with page magic %04X, which is of no known version",
		dir, head.Magic)
}

// firstPage reads the header of the newest timeline's oldest segment. Names look the same for every size of segments, and
// the smallest size understands all of them.
func firstPage(dir string) (head xlog.PageHeader, err error) {
	files, err := waldir.View(waldir.Config{Path: dir, SegmentSize: xlog.MinSegmentSize, Partial: true})
	if err != nil {
		return head, err
	}
	all, err := files.Extents()
	if err != nil {
		return head, err
	}
	if len(all) == 0 {
		return head, errors.New("no segments there")
	}
	newest := all[len(all)-1]
	segment, err := files.OpenSegment(newest.Timeline, newest.First)
	if err != nil {
		return head, err
	}
	defer segment.Close()
	var raw [40]byte
	if _, err := segment.ReadAt(raw[:], 0); err != nil {
		return head, err
	}
	return head, head.Decode(raw[:])
}

// identityOfData takes everything from the control file.
func identityOfData(data *pgdata.DataDir) walsender.Identity {
	return walsender.Identity{
		SystemID: data.SystemID, SegmentSize: data.SegmentSize, Dialect: data.Dialect, Flavour: data.Dialect.Flavour(),
		ServerVersion: data.Major * 10000, ServerVersionText: strconv.Itoa(data.Major) + ".0", DataDirectoryMode: vfs.DirMode,
	}
}
