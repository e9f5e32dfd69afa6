// SPDX-License-Identifier: Apache-2.0

package xlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// TestImageBytes compares with what decoding gives, on recorded log.
func TestImageBytes(t *testing.T) {
	for _, major := range []int{15, 16, 17, 18} {
		r := xlog.NewReader(fixtureConfig(t, major))
		var body, own xlog.Body
		records, images := 0, 0
		for {
			rec, err := r.Next()
			if err != nil {
				require.ErrorIs(t, err, xlog.ErrZeroed)
				break
			}
			require.NoError(t, rec.Decode(&body))
			want := 0
			for i := range body.Blocks {
				want += len(body.Blocks[i].Image.Data)
			}
			got, err := rec.ImageBytes(&own)
			require.NoError(t, err)
			require.EqualValues(t, want, got)
			if records++; got > 0 {
				images++
			}
		}
		t.Logf("%d: %d records, %d with images", major, records, images)
		require.NotZero(t, images)
	}
}
