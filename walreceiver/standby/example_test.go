// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/coordinator"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// A standby is made, follows its coordinator and tells what changes there, and takes its place.
func Example() {
	ctx := context.Background()
	parent, err := os.MkdirTemp("", "walmirror-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)
	primary, conninfo := startCoordinator(ctx, filepath.Join(parent, "coordinator"))

	// init
	dir := filepath.Join(parent, "standby")
	_, err = standby.Init(ctx, standby.InitConfig{
		Primary: conninfo, NoSlot: true, Backup: walreceiver.BackupConfig{Dir: dir, FastCheckpoint: true},
	})
	if err != nil {
		log.Fatal(err)
	}

	// run
	changed := make(chan *changes.Transaction)
	s, err := standby.New(standby.Config{
		Dir: dir, OnChanges: func(tx *changes.Transaction) { changed <- tx },
	})
	if err != nil {
		log.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()

	register(ctx, primary, "sdw1")
	change := (<-changed).Changes[0]
	host, _ := change.New.Get("hostname")
	fmt.Printf("%s %s: %s\n", change.Op, change.Catalog, host)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}

	// the coordinator is lost; activate
	if err := primary.Abort(); err != nil {
		log.Fatal(err)
	}
	a, err := standby.Activate(ctx, standby.ActivateConfig{Dir: dir, ProbeTimeout: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("timeline", a.NewTimeline)
	err = standby.ReadCatalog(ctx, dir, func(c *catalog.Catalog) error {
		db, err := c.Database(coordinator.Database)
		if err != nil {
			return err
		}
		segments, err := catalog.Rows[catalog.SegmentConfiguration](db)
		fmt.Println("segments registered:", len(segments))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// insert gp_segment_configuration: sdw1
	// timeline 2
	// segments registered: 1
}

// startCoordinator starts a primary on a port of its own.
func startCoordinator(ctx context.Context, dir string) (_ *coordinator.Coordinator, conninfo string) {
	if err := coordinator.Create(dir); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	c, err := coordinator.Open(ctx, coordinator.Config{
		Dir: dir, Serve: &walsender.Config{Listeners: []net.Listener{listener}},
	})
	if err != nil {
		log.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return c, fmt.Sprintf("host=127.0.0.1 user=replicator sslmode=disable port=%d", port)
}

// register adds a segment to the coordinator's configuration.
func register(ctx context.Context, c *coordinator.Coordinator, host string) {
	tx, err := c.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	err = tx.Insert(catalog.SegmentConfiguration{
		DBID: 2, Content: 0, Role: 'p', PreferredRole: 'p', Mode: 'n', Status: 'u', Port: 6000,
		Hostname: host, Address: host, DataDir: "/data/primary",
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := tx.Commit(ctx); err != nil {
		log.Fatal(err)
	}
}
