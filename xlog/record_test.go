// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/xlogtest"
)

func TestRecordHeaderBytes(t *testing.T) {
	t.Parallel()
	h := xlog.RecordHeader{TotalLen: 54, XID: 0x01020304, Prev: 0x16_B374D848, Info: 0x41, Rmgr: 10, CRC: 0xDEADBEEF}
	raw := h.Append(nil)
	require.Equal(t, []byte{
		54, 0, 0, 0, 4, 3, 2, 1, 0x48, 0xD8, 0x74, 0xB3, 0x16, 0, 0, 0, 0x41, 10, 0, 0, 0xEF, 0xBE, 0xAD, 0xDE,
	}, raw)
	var back xlog.RecordHeader
	require.NoError(t, back.Decode(raw))
	require.Equal(t, h, back)
	require.ErrorIs(t, back.Decode(raw[:23]), xlog.ErrShort)
	require.Equal(t, uint8(0x40), h.RmgrInfo())
	require.False(t, h.IsSwitch())
	require.True(t, (&xlog.RecordHeader{Info: 0x42}).IsSwitch())
}

// The checksum covers every byte but its own.
func TestRecordCRC(t *testing.T) {
	t.Parallel()
	b := xlogtest.NewBuilder(xlog.Postgres15, mib, logStart)
	b.Noop(300)
	raw := b.Records()[0].Raw
	var h xlog.RecordHeader
	require.NoError(t, h.Decode(raw))
	require.Equal(t, h.CRC, xlog.RecordCRC(raw))
	for i := range raw {
		raw[i] ^= 0x10
		require.Equal(t, i >= 20 && i < 24, h.CRC == xlog.RecordCRC(raw), "byte %d", i)
		raw[i] ^= 0x10
	}
}

func TestRecordClone(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	varied(b, 10, 50)
	r := xlog.NewReader(config(b))
	rec, err := r.Next()
	require.NoError(t, err)
	keep := rec.Clone()
	_, err = walk(t, r)
	require.ErrorIs(t, err, xlog.ErrZeroed)
	require.Equal(t, b.Records()[0].Raw, keep.Raw)
	require.Equal(t, b.Start()+40, keep.LSN)
	require.Same(t, b.Dialect, keep.Dialect())
	var body xlog.Body
	require.NoError(t, keep.Decode(&body))
	require.Equal(t, keep.Raw[len(keep.Raw)-len(body.Main):], body.Main)
	require.NotEmpty(t, body.Main)
}

// A payload that is wrong under a right checksum is corrupt, and says where.
func TestRecordDecodeError(t *testing.T) {
	t.Parallel()
	b := builder(mib)
	b.Insert(xlogtest.Record{Rmgr: 10, Body: xlog.Body{Main: []byte("x")}})
	rec, err := xlog.NewReader(config(b)).Next()
	require.NoError(t, err)
	bad := rec.Clone()
	bad.Raw[24] = 100
	var body xlog.Body
	err = bad.Decode(&body)
	require.ErrorIs(t, err, xlog.ErrCorrupt)
	require.ErrorContains(t, err, "corrupt WAL at 0/300028 on timeline 1: invalid block_id 100")
}
