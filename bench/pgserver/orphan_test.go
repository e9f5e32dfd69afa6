// SPDX-License-Identifier: Apache-2.0

package pgserver_test

const orphanVar = "WALMIRROR_PGSERVER_ORPHAN"

func orphanMain() int { return 0 }
