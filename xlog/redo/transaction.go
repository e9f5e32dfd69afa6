// SPDX-License-Identifier: Apache-2.0

package redo

import "github.com/walmirror/walmirror/xlog/rmgr"

func (r *Redo) transaction(p rmgr.Payload) error { return unknown(p) }
