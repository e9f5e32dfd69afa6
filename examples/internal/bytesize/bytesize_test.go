// SPDX-License-Identifier: Apache-2.0

package bytesize

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "512M": 512 << 20, "2GB": 2 << 30, "16k": 16 << 10, "1T": 1 << 40, "100B": 100,
	} {
		var s Size
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, s, text)
	}
	for _, text := range []string{"", "M", "-1", "1X", "1.5G", "5000000T", "MM", "9223372036854775807k"} {
		require.Error(t, new(Size).Set(text), text)
	}
}
