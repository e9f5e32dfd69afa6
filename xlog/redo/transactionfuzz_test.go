// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"testing"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/rmgr"
)

// FuzzTransactions redoes records that say anything, of the resource managers that keep what is known of transactions.
// An error is all that may come of it.
func FuzzTransactions(f *testing.F) {
	ids := []xlog.RmgrID{
		rmgr.Transaction, rmgr.CLOG, rmgr.MultiXact, rmgr.CommitTs, rmgr.RelMap, rmgr.Standby, rmgr.ReplicationOrigin,
		rmgr.DistributedLog,
	}
	var redos []*Redo
	var records []*xlog.Record
	for _, d := range []*xlog.Dialect{xlog.Postgres12, xlog.Postgres18, xlog.Greenplum7} {
		redos, records = append(redos, stateRedo(f, d)), append(records, anyRecord(f, d))
	}
	multiXact := xids(5, 1, 1, 9, 5) // CREATE_ID
	for info := range 16 {
		for id := range ids {
			f.Add(uint8(id), uint8(info<<4), uint32(9), []byte(multiXact))
			f.Add(uint8(id), uint8(info<<4), uint32(9), make([]byte, 100))
		}
	}
	f.Fuzz(func(t *testing.T, id, info uint8, xid uint32, main []byte) {
		if len(main) > 1<<16 {
			return
		}
		for i, r := range redos {
			rec := records[i]
			setRecord(rec, ids[int(id)%len(ids)], info&^xlog.XLRInfoMask, main, nil)
			rec.XID = xid
			payload, err := r.decode(rec)
			if err != nil || table[rec.Rmgr] == nil {
				continue
			}
			r.store.Begin()
			r.counters.sawXID(xid)
			r.running.saw(xid)
			_ = table[rec.Rmgr](r, payload)
		}
	})
}
