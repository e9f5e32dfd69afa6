// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"

	"github.com/walmirror/walmirror/protocol"
)

func notYet(what string) error { return errorf(codeFeatureNotSupported, "%s is not supported", what) }

func (c *session) timelineHistory(context.Context, protocol.TimelineHistory) error {
	return notYet("TIMELINE_HISTORY")
}
func (c *session) readSlot(context.Context, protocol.ReadReplicationSlot) error {
	return notYet("READ_REPLICATION_SLOT")
}
func (c *session) createSlot(context.Context, protocol.CreateReplicationSlot) error {
	return notYet("CREATE_REPLICATION_SLOT")
}
func (c *session) alterSlot(context.Context, protocol.AlterReplicationSlot) error {
	return notYet("ALTER_REPLICATION_SLOT")
}
func (c *session) dropSlot(context.Context, protocol.DropReplicationSlot) error {
	return notYet("DROP_REPLICATION_SLOT")
}
func (c *session) startReplication(context.Context, protocol.StartReplication) error {
	return notYet("START_REPLICATION")
}
func (c *session) startLogical(context.Context, protocol.StartLogicalReplication) error {
	return notYet("logical decoding")
}
func (c *session) baseBackup(context.Context, protocol.BaseBackup) error {
	return notYet("BASE_BACKUP")
}
func (c *session) uploadManifest(context.Context) error { return notYet("UPLOAD_MANIFEST") }
func (c *session) sql(context.Context, string) error {
	return errorf(codeFeatureNotSupported, "cannot execute SQL commands in WAL sender for physical replication")
}
func (c *session) extended(context.Context, byte, []byte) error {
	return notYet("extended query protocol")
}
func (c *session) extendedEnd() error { return c.ready() }
