// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"fmt"

	"github.com/walmirror/walmirror/protocol"
)

// A command is a value that prints for a server and that Parse reads.
func Example() {
	cmd := protocol.BaseBackup{Label: "nightly", FastCheckpoint: true, TablespaceMap: true}
	for _, version := range []int{140000, 150000} {
		text, err := cmd.Format(protocol.Server{Version: version})
		fmt.Println(text, err)
	}
	back, err := protocol.Parse("BASE_BACKUP LABEL 'nightly' FAST TABLESPACE_MAP")
	fmt.Println(back, err)
	_, err = protocol.Parse("START_REPLICATION 0/3000000 TIMELINE 0")
	fmt.Println(err)
	// Output:
	// BASE_BACKUP LABEL 'nightly' FAST TABLESPACE_MAP <nil>
	// BASE_BACKUP (LABEL 'nightly', CHECKPOINT 'fast', TABLESPACE_MAP) <nil>
	// BASE_BACKUP (LABEL 'nightly', CHECKPOINT 'fast', TABLESPACE_MAP) <nil>
	// ERROR: invalid timeline 0 (SQLSTATE 42601)
}
