// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog"

// invalidPages are the blocks that records referred to and that did not exist or were not initialized: legal only when
// their relation is dropped or truncated later (src/backend/access/transam/xlogutils.c).
type invalidPages struct{}

func (*invalidPages) log(rel xlog.RelFileLocator, fork xlog.ForkNumber, block uint32, present bool) error {
	return nil
}
