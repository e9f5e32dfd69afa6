// SPDX-License-Identifier: Apache-2.0

package redo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

func TestView(t *testing.T) {
	t.Parallel()
	r := storedRedo(t, xlog.Postgres15, true)
	looked := 0
	look := func() error { looked++; return nil }
	require.ErrorIs(t, r.View(t.Context(), look), ErrNotConsistent)
	r.consistency.at = 1
	require.NoError(t, r.View(t.Context(), look))
	wrong := errors.New("wrong")
	require.ErrorIs(t, r.View(t.Context(), func() error { return wrong }), wrong)
	require.NoError(t, r.View(t.Context(), look))

	r.failed = wrong
	require.ErrorIs(t, r.View(t.Context(), look), wrong)
	r.failed = nil
	r.between.closed = true
	require.ErrorIs(t, r.View(t.Context(), look), ErrClosed)
	require.Equal(t, 2, looked)
}

// TestViewGivenUp: one who waits for a moment to look gives up, and leaves nothing locked.
func TestViewGivenUp(t *testing.T) {
	t.Parallel()
	r := storedRedo(t, xlog.Postgres15, true)
	r.consistency.at = 1
	synctest.Test(t, func(t *testing.T) {
		var looked bool
		look := func() error { looked = true; return nil }
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		release, result := make(chan struct{}), make(chan error)
		go func() {
			result <- r.View(t.Context(), func() error { <-release; return nil })
		}()
		synctest.Wait()
		cancel(stop)
		require.ErrorIs(t, r.View(ctx, look), stop)
		require.False(t, looked)
		close(release)
		require.NoError(t, <-result)
		require.NoError(t, r.View(t.Context(), look))
		require.True(t, looked)
	})
}
