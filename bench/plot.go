// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-analyze/charts"
)

// plotted is a figure's bar.
type plotted struct {
	what  string
	ratio float64 // median
}

// writePlot draws the ratios of all reports as bars, to a file whose name ends in .svg or .png.
func writePlot(name string, reports []report) error {
	if name == "" {
		return nil
	}
	var bars []plotted
	for _, r := range reports {
		for _, f := range r.Figures {
			if ratios := slices.Sorted(slices.Values(f.ratios())); len(ratios) > 0 {
				bars = append(bars, plotted{r.Name + ": " + f.What, median(ratios)})
			}
		}
	}
	format, err := plotFormat(name)
	if err != nil || len(bars) == 0 {
		return err
	}
	picture, err := draw(bars, format)
	if err != nil {
		return err
	}
	return os.WriteFile(name, picture, 0o644)
}

// plotFormat is the kind of picture that a file's name asks for.
func plotFormat(name string) (string, error) {
	switch format := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), "."); format {
	case "svg", "png":
		return format, nil
	}
	return "", fmt.Errorf("a picture is .svg or .png, not %q", name)
}

// draw makes the picture; the first bar is at the top.
func draw(bars []plotted, format string) ([]byte, error) {
	slices.Reverse(bars)
	values, names := make([]float64, len(bars)), make([]string, len(bars))
	for i, b := range bars {
		values[i], names[i] = b.ratio, b.what
	}
	p, err := charts.HorizontalBarRender([][]float64{values},
		charts.TitleTextOptionFunc("walmirror against PostgreSQL's own programs: times as good (1: the same)"),
		charts.YAxisLabelsOptionFunc(names),
		charts.DimensionsOptionFunc(1200, 120+26*len(bars)),
		func(o *charts.ChartOption) {
			o.OutputFormat = format
			for i := range o.SeriesList {
				o.SeriesList[i].Label = charts.SeriesLabel{
					Show: charts.Ptr(true), ValueFormatter: func(v float64) string { return fmt.Sprintf("%.2f", v) },
				}
			}
		})
	if err != nil {
		return nil, err
	}
	return p.Bytes()
}
