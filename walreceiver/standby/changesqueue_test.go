// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// TestFellBehind: a Watcher that takes nothing has no more than its queue, gets what is in it, and is then told.
func TestFellBehind(t *testing.T) {
	t.Parallel()
	w := &Watcher{more: make(chan struct{}, 1)}
	row := &changes.Row{Columns: []string{"prosrc"}, Values: []changes.Value{{Text: strings.Repeat("x", watchQueue/3)}}}
	tx := &changes.Transaction{Changes: []changes.Change{{New: row}}}
	for range 5 {
		w.put(tx)
	}
	for range 2 {
		got, err := w.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, tx, got)
	}
	for range 2 {
		_, err := w.Next(t.Context())
		require.ErrorIs(t, err, ErrFellBehind)
	}
	w = &Watcher{more: make(chan struct{}, 1)} // one transaction always has room
	row.Values[0].Text = strings.Repeat("x", watchQueue+1)
	w.put(tx)
	_, err := w.Next(t.Context())
	require.NoError(t, err)
}
