// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"maps"
	"slices"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// distributedCommits is the distributed transactions of Greenplum that are committed, and of which not all segments have
// said so: a coordinator tells them again when it starts (shmCommittedGxidArray of src/backend/cdb/cdbdtxrecovery.c). Redo
// itself does not need them, the checkpoint of a promotion does.
type distributedCommits map[uint64][]byte // by number: the name, in the development build

// from takes what a checkpoint lists. With exact there are no others.
func (c *distributedCommits) from(p *rmgr.CheckPoint, exact bool) {
	if exact || *c == nil {
		*c = distributedCommits{}
	}
	for i := range p.Distributed.Len() {
		gxid, gid := p.Distributed.At(i)
		(*c)[gxid] = slices.Clone(gid)
	}
}

// committed notes the record of a commit.
func (c *distributedCommits) committed(d *xlog.Dialect, p *rmgr.XactEnd) {
	if *c == nil {
		*c = distributedCommits{}
	}
	var gid []byte
	if d.XactDistributedTime() {
		gid = p.Distributed.AppendGID(d, nil)
	}
	(*c)[p.Distributed.ID] = gid
}

// list is them as a checkpoint has them.
func (c distributedCommits) list(d *xlog.Dialect) (list rmgr.DistributedCommits) {
	for _, gxid := range slices.Sorted(maps.Keys(c)) {
		list.Add(d, gxid, c[gxid])
	}
	return list
}
