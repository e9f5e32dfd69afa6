// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func TestAppend(t *testing.T) {
	for _, l := range []xlog.LSN{0, 1, 0x16B374D8, 0x1_00000000, 0xABC_0000000F, 0xFFFFFFFF_FFFFFFFF} {
		require.Equal(t, fmt.Sprintf("at %X/%08X", uint64(l)>>32, uint32(l)), string(appendLongLSN(nil, "at ", l)))
		require.Equal(t, fmt.Sprintf("at %X/%X", uint64(l)>>32, uint32(l)), string(appendLSN(nil, "at ", l)))
	}
	require.Equal(t, "flags 0x0A", string(appendHex2(nil, "flags ", 10)))
	require.Equal(t, "    7", string(appendNumber(nil, 7, 5)))
	require.Equal(t, "Heap  |", string(appendPadded(nil, "Heap", -6))+"|")
	require.Equal(t, "  Heap", string(appendPadded(nil, "Heap", 6)))
	p := Printing{Location: time.UTC}
	require.Equal(t, "2026-11-22 23:02:18.988563 UTC", string(p.appendTimestamp(nil, 848703738988563)))
	require.Equal(t, "1999-12-31 23:59:59.999999 UTC", string(p.appendTimestamp(nil, -1)))
}
