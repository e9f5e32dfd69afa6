// SPDX-License-Identifier: Apache-2.0

package walsender

import "context"

func notYet(what string) error { return errorf(codeFeatureNotSupported, "%s is not supported", what) }

func (c *session) sql(context.Context, string) error {
	return errorf(codeFeatureNotSupported, "cannot execute SQL commands in WAL sender for physical replication")
}
func (c *session) extended(context.Context, byte, []byte) error {
	return notYet("extended query protocol")
}
func (c *session) extendedEnd() error { return c.ready() }
