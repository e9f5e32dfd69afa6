// SPDX-License-Identifier: Apache-2.0

package walsender_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// A directory of segments is served to whoever asks for log: here one that is empty but for its position.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	dir, err := os.MkdirTemp("", "walmirror-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	source, err := walsender.NewDirSource(walsender.Identity{
		SystemID: 7000000000000000001, SegmentSize: xlog.DefaultSegmentSize, Dialect: xlog.Postgres15,
		ServerVersion: 150018, ServerVersionText: "15.18",
	}, waldir.Config{Path: filepath.Clean(dir), SegmentSize: xlog.DefaultSegmentSize, Partial: true})
	if err != nil {
		log.Fatal(err)
	}
	// Whoever writes the directory says so each time that more of it is durable.
	if err := source.SetFlush(1, 0x3000000); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server, err := walsender.New(walsender.Config{Source: source, Listeners: []net.Listener{listener}})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()

	// Any client of the protocol will do: pg_receivewal, pg_basebackup, a standby's walreceiver.
	port := listener.Addr().(*net.TCPAddr).Port
	conn, err := pgconn.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=u sslmode=disable replication=true", port))
	if err != nil {
		log.Fatal(err)
	}
	results, err := conn.Exec(ctx, "IDENTIFY_SYSTEM").ReadAll()
	if err != nil {
		log.Fatal(err)
	}
	for _, column := range results[0].Rows[0][:3] {
		fmt.Printf("%s\n", column)
	}
	conn.Close(ctx)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 7000000000000000001
	// 1
	// 0/3000000
}
