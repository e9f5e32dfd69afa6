// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"strconv"

	"github.com/walmirror/walmirror/protocol"
)

// identifySystem answers IDENTIFY_SYSTEM (IdentifySystem in walsender.c): one row.
func (c *session) identifySystem() error {
	id, pos := c.server.cfg.Source.Identity(), c.server.cfg.Source.Position()
	timelineType := uint32(oidInt8)
	if v := c.server.dialect.Major(); v != 0 && v < 16 {
		timelineType = oidInt4
	}
	columns := []protocol.Column{
		{Name: "systemid", TypeOID: oidText}, {Name: "timeline", TypeOID: timelineType},
		{Name: "xlogpos", TypeOID: oidText}, {Name: "dbname", TypeOID: oidText},
	}
	var database []byte
	if c.replication == forDatabase {
		database = []byte(c.database)
	}
	row := [][]byte{
		strconv.AppendUint(nil, id.SystemID, 10), []byte(pos.Timeline.String()), []byte(pos.Flush.String()), database,
	}
	return c.sendRows(columns, [][][]byte{row}, "")
}
