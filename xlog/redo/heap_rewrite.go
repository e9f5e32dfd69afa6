// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"fmt"

	"github.com/walmirror/walmirror/xlog/pgdata"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// heapRewrite is heap_xlog_logical_rewrite in src/backend/access/heap/rewriteheap.c.
func (r *Redo) heapRewrite(p *rmgr.HeapRewrite) error {
	if p.Offset < 0 {
		return fmt.Errorf("mappings at offset %d", p.Offset)
	}
	return r.store.Dir().WriteRewriteMapping(&pgdata.RewriteMapping{
		Database: p.MappedDatabase, Relation: p.MappedRelation, StartLSN: p.StartLSN,
		MappedXID: p.MappedXID, CreatedXID: r.rec.XID, Offset: p.Offset, Data: p.Mappings,
	})
}
