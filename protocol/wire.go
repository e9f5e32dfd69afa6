// SPDX-License-Identifier: Apache-2.0

package protocol

import "bytes"

// Message types (src/include/libpq/protocol.h).
const (
	typeCopyData byte = 'd' // both ways
	typeCopyDone byte = 'c' // both ways

	typeCopyFail  byte = 'f' // from the client
	typeFlush     byte = 'H'
	typePassword  byte = 'p'
	typeQuery     byte = 'Q'
	typeSync      byte = 'S'
	typeTerminate byte = 'X'

	typeCommandComplete byte = 'C' // from the server
	typeCopyBoth        byte = 'W'
	typeCopyIn          byte = 'G'
	typeCopyOut         byte = 'H'
	typeDataRow         byte = 'D'
	typeEmptyQuery      byte = 'I'
	typeError           byte = 'E'
	typeNotice          byte = 'N'
	typeNotification    byte = 'A'
	typeParameterStatus byte = 'S'
	typeReadyForQuery   byte = 'Z'
	typeRowDescription  byte = 'T'
)

func indexNUL(b []byte) int { return bytes.IndexByte(b, 0) }

// isCString tells whether b has one NUL, at its end.
func isCString(b []byte) bool { return len(b) > 0 && indexNUL(b) == len(b)-1 }
