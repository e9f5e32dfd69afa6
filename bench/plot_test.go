// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlot(t *testing.T) {
	reports := []report{
		{Name: "redo", Figures: []figure{{What: "DDL", Theirs: []float64{52, 50, 54}, Ours: []float64{2, 2, 2}}}},
		{Name: "sync", Figures: []figure{{What: "commits", Theirs: []float64{900}, Ours: []float64{990}, MoreIsBetter: true}}},
	}
	name := filepath.Join(t.TempDir(), "ratios.svg")
	require.NoError(t, writePlot(name, reports))
	picture, err := os.ReadFile(name)
	require.NoError(t, err)
	for _, text := range []string{"redo: DDL", "26.00", "sync: commits", "1.10"} {
		require.True(t, bytes.Contains(picture, []byte(text)), "%q is not in the picture", text)
	}
	require.NoError(t, writePlot(filepath.Join(t.TempDir(), "ratios.png"), reports))
	require.ErrorContains(t, writePlot("ratios.bmp", reports), ".svg or .png")
}
