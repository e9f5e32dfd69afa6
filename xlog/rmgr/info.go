// SPDX-License-Identifier: Apache-2.0

package rmgr

// Info of records that are written here: the part that the resource manager defines.
const (
	InfoCheckPointOnline uint8 = 0x10 // XLOG_CHECKPOINT_ONLINE
	InfoCheckPointRedo   uint8 = 0xE0 // XLOG_CHECKPOINT_REDO
	InfoFPI              uint8 = 0xB0 // XLOG_FPI

	InfoXactCommit uint8 = 0x00 // XLOG_XACT_COMMIT
	InfoXactAbort  uint8 = 0x20 // XLOG_XACT_ABORT

	InfoRunningXacts uint8 = 0x10 // XLOG_RUNNING_XACTS

	InfoCLOGZeroPage uint8 = 0x00 // CLOG_ZEROPAGE

	InfoHeapInsert    uint8 = 0x00 // XLOG_HEAP_INSERT
	InfoHeapDelete    uint8 = 0x10 // XLOG_HEAP_DELETE
	InfoHeapUpdate    uint8 = 0x20 // XLOG_HEAP_UPDATE
	InfoHeapHotUpdate uint8 = 0x40 // XLOG_HEAP_HOT_UPDATE
	InfoHeapInitPage  uint8 = 0x80 // XLOG_HEAP_INIT_PAGE, besides one of these
)
