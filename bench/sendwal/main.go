// SPDX-License-Identifier: Apache-2.0

// Sendwal serves the log of a data directory that does not change, for the benchmark "send": nothing but walsender over
// a directory. The first line that it prints is its port.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/vfs"
	"github.com/walmirror/walmirror/xlog/waldir"
)

func main() {
	data := flag.String("data", "", "data directory")
	version := flag.Int("version", 0, "server_version_num")
	end := flag.String("end", "", "end of the log")
	chunk := flag.Int("chunk", 0, "bytes of log in a message at most; 0: the default")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *data, *version, *end, *chunk); err != nil {
		fmt.Fprintln(os.Stderr, "sendwal:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, data string, version int, end string, chunk int) error {
	source, err := openSource(data, version, end)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server, err := walsender.New(walsender.Config{Source: source, Listeners: []net.Listener{l}, ChunkSize: chunk})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	return server.Run(ctx)
}

func openSource(data string, version int, end string) (*walsender.DirSource, error) {
	control, err := pgdata.ReadControl(vfs.OS, data)
	if err != nil {
		return nil, err
	}
	flush, err := xlog.ParseLSN(end)
	if err != nil {
		return nil, err
	}
	id := walsender.Identity{
		SystemID: control.SystemIdentifier, SegmentSize: control.SegmentSize(), ServerVersion: version,
	}
	source, err := walsender.NewDirSource(id, waldir.Config{Path: filepath.Join(data, pgdata.WALDir)})
	if err != nil {
		return nil, err
	}
	return source, source.SetFlush(control.CheckPointCopy.ThisTimeLineID, flush)
}
