// SPDX-License-Identifier: Apache-2.0

package rmgr

import "github.com/walmirror/walmirror/xlog"

func tablespaceOps(*xlog.Dialect) []op { return nil }
