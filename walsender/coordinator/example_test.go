// SPDX-License-Identifier: Apache-2.0

package coordinator_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/walsender"
	"github.com/walmirror/walmirror/walsender/coordinator"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// A primary that standbys can attach to with pg_basebackup, and a row that they will have.
func Example() {
	parent, err := os.MkdirTemp("", "coordinator-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "data")
	if err := coordinator.Create(dir); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	c, err := coordinator.Open(ctx, coordinator.Config{
		Dir: dir, Serve: &walsender.Config{Listeners: []net.Listener{listener}},
	})
	if err != nil {
		log.Fatal(err)
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	err = tx.Insert(catalog.SegmentConfiguration{
		DBID: 1, Content: -1, Role: 'p', PreferredRole: 'p', Mode: 'n', Status: 'u', Port: 5432,
		Hostname: "cdw", Address: "cdw", DataDir: "/data/coordinator",
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := tx.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	err = c.View(ctx, func(cat *catalog.Catalog) error {
		db, err := cat.Database(coordinator.Database)
		if err != nil {
			return err
		}
		rows, err := catalog.Rows[catalog.SegmentConfiguration](db)
		for _, s := range rows {
			fmt.Printf("dbid %d on %s:%d\n", s.DBID, s.Hostname, s.Port)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: dbid 1 on cdw:5432
}
