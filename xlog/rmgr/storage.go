// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

// Records of Storage (src/include/catalog/storage_xlog.h, src/backend/access/rmgrdesc/smgrdesc.c).
func storageOps(*xlog.Dialect) []op {
	return []op{
		{0x10, "CREATE", func() Payload { return new(StorageCreate) }},
		{0x20, "TRUNCATE", func() Payload { return new(StorageTruncate) }},
	}
}

// Kinds of storage of Greenplum (SMgrImpl in src/include/storage/smgr.h).
const (
	StorageMD = 0 // pages, as of a heap
	StorageAO = 1 // append-optimized
)

// StorageCreate is xl_smgr_create: a relation's file was made.
//
//	relation, forkNum i32, [impl i32 in Greenplum]
type StorageCreate struct {
	Relation xlog.RelFileLocator
	Fork     xlog.ForkNumber
	Impl     int32 // StorageMD or StorageAO
}

func (p *StorageCreate) decode(in *input) {
	p.Relation = in.relation()
	fork := in.u32()
	if fork > uint32(xlog.InitFork) {
		in.fail("unknown fork")
	}
	p.Fork = xlog.ForkNumber(fork)
	if in.StorageCreateImpl() {
		p.Impl = in.i32()
	}
}

// Describe implements Payload.
func (p *StorageCreate) Describe(dst []byte, pr *Printing) []byte {
	dst = pr.appendRelPath(dst, p.Relation, p.Fork)
	switch {
	case !pr.Dialect.StorageTextImpl():
		return dst
	case p.Impl == StorageMD:
		return append(dst, "; smgr: heap"...)
	}
	return append(dst, "; smgr: ao"...)
}

// Flags of StorageTruncate: which forks were truncated.
const (
	StorageTruncateHeap = 1 // SMGR_TRUNCATE_HEAP
	StorageTruncateVM   = 2 // SMGR_TRUNCATE_VM
	StorageTruncateFSM  = 4 // SMGR_TRUNCATE_FSM
)

// StorageTruncate is xl_smgr_truncate: the end of a relation's files was cut off.
//
//	blkno u32, [pad 4 before a relation of 16 bytes,] relation, flags i32
type StorageTruncate struct {
	Block    uint32 // number of blocks that are left of the main fork
	Relation xlog.RelFileLocator
	Flags    int32
}

func (p *StorageTruncate) decode(in *input) {
	p.Block = in.u32()
	if in.RelNodeSize() == 16 {
		in.align(8)
	}
	p.Relation = in.relation()
	p.Flags = in.i32()
}

// Describe implements Payload.
func (p *StorageTruncate) Describe(dst []byte, pr *Printing) []byte {
	dst = pr.appendRelPath(dst, p.Relation, xlog.MainFork)
	dst = appendUint(dst, " to ", p.Block)
	return appendInt(dst, " blocks flags ", p.Flags)
}
