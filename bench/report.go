// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is what one benchmark found.
type report struct {
	Name    string   `json:"name"`
	Subject string   `json:"subject"` // what was done, with how much
	Figures []figure `json:"figures"`
}

// figure is one quantity, measured of the other program and of ours in turn.
type figure struct {
	What   string    `json:"what"`
	Unit   string    `json:"unit"`
	Theirs []float64 `json:"theirs"`
	Ours   []float64 `json:"ours"`
	// MoreIsBetter: the ratio is ours by theirs; otherwise theirs by ours. Above 1 ours is better.
	MoreIsBetter bool `json:"more_is_better"`
}

func (f *figure) add(theirs, ours float64) {
	f.Theirs, f.Ours = append(f.Theirs, theirs), append(f.Ours, ours)
}

// ratios are those of the pairs, in the order they were run; none of a quantity that only ours has.
func (f figure) ratios() []float64 {
	var r []float64
	for i := range min(len(f.Ours), len(f.Theirs)) {
		if f.MoreIsBetter {
			r = append(r, f.Ours[i]/f.Theirs[i])
		} else {
			r = append(r, f.Theirs[i]/f.Ours[i])
		}
	}
	return r
}

func (r report) print(out io.Writer) {
	fmt.Fprintln(out, r.Subject)
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "\ttheirs\tours\tratio (above 1: ours is better)\t")
	for _, f := range r.Figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", f.What, spread(f.Theirs, f.Unit), spread(f.Ours, f.Unit), spread(f.ratios(), "x"))
	}
	w.Flush()
}

// spread is the median with the least and the greatest.
func spread(v []float64, unit string) string {
	if len(v) == 0 {
		return "-"
	}
	s := slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.4g %s (%.4g to %.4g)", median(s), unit, s[0], s[len(s)-1])
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// byteSize is a flag with a number of bytes.
type byteSize int64

func (b *byteSize) String() string {
	if *b%(1<<30) == 0 {
		return fmt.Sprintf("%dG", *b>>30)
	}
	return fmt.Sprintf("%dM", *b>>20)
}

func (b *byteSize) Set(s string) error {
	shift := 0
	switch {
	case strings.HasSuffix(s, "G"):
		shift = 30
	case strings.HasSuffix(s, "M"):
		shift = 20
	}
	n, err := strconv.ParseInt(strings.TrimRight(s, "GM"), 10, 32)
	if err != nil || n <= 0 {
		return fmt.Errorf("a number with M or G expected, not %q", s)
	}
	*b = byteSize(n << shift)
	return nil
}

func (b *byteSize) Type() string { return "SIZE" }
