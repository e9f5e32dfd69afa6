// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"slices"

	"github.com/walmirror/walmirror/walsender/pgsql"
)

// coordinatorSegment is gp_segment_id of a coordinator's rows.
const coordinatorSegment = -1

// gpReplicationColumns are those of Greenplum 7's view gp_stat_replication: which instance a row is of, the columns of
// pg_stat_replication, and the error that the sender met.
var gpReplicationColumns = slices.Concat(
	[]pgsql.Column{column("gp_segment_id", pgsql.Int4)},
	replicationColumns,
	[]pgsql.Column{column("sync_error", pgsql.Text)},
)

// gpReplicationRows are the rows of a coordinator, whose standbys are the only ones that there are here.
func gpReplicationRows(all []ReplicationStat) [][]pgsql.Value {
	rows := make([][]pgsql.Value, len(all))
	for i := range all {
		rows[i] = slices.Concat([]pgsql.Value{int64(coordinatorSegment)}, all[i].row(), []pgsql.Value{"none"})
	}
	return rows
}
