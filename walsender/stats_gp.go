// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"slices"

	"github.com/walmirror/walmirror/protocol"
)

// coordinatorSegment is gp_segment_id of a coordinator's rows.
const coordinatorSegment = -1

// gpReplicationColumns are those of Greenplum 7's view gp_stat_replication: which instance a row is of, the columns of
// pg_stat_replication, and the error that the sender met.
var gpReplicationColumns = slices.Concat(
	[]protocol.Column{{Name: "gp_segment_id", TypeOID: oidInt4}},
	replicationColumns,
	[]protocol.Column{{Name: "sync_error", TypeOID: oidText}},
)

// gpReplicationRows are the rows of a coordinator, whose standbys are the only ones that there are here.
func gpReplicationRows(all []ReplicationStat) [][]datum {
	rows := make([][]datum, len(all))
	for i := range all {
		rows[i] = slices.Concat([]datum{int64(coordinatorSegment)}, all[i].row(), []datum{"none"})
	}
	return rows
}
