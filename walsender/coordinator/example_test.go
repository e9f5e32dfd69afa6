// SPDX-License-Identifier: Apache-2.0

package coordinator_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/walmirror/walmirror/walsender/coordinator"
	"github.com/walmirror/walmirror/xlog/catalog"
)

// A primary without PostgreSQL, which keeps its rows over a crash.
func Example() {
	ctx := context.Background()
	parent, err := os.MkdirTemp("", "walmirror-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "coordinator")
	if err := coordinator.Create(dir); err != nil {
		log.Fatal(err)
	}
	c, err := coordinator.Open(ctx, coordinator.Config{Dir: dir})
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
	if err := c.Abort(); err != nil { // as if the process had been killed
		log.Fatal(err)
	}

	if c, err = coordinator.Open(ctx, coordinator.Config{Dir: dir}); err != nil {
		log.Fatal(err)
	}
	err = c.View(ctx, func(cat *catalog.Catalog) error {
		db, err := cat.Database(coordinator.Database)
		if err != nil {
			return err
		}
		segments, err := catalog.Rows[catalog.SegmentConfiguration](db)
		for _, s := range segments {
			fmt.Printf("dbid %d, role %c, %s:%d\n", s.DBID, s.Role, s.Hostname, s.Port)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: dbid 1, role p, cdw:5432
}
