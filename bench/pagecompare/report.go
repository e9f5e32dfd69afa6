// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// Report is what a comparison found.
type Report struct {
	Kinds       map[string]*Count // by the sort of file
	Total       Count
	Differences []Difference // at most maxDifferences of them
	Differing   int          // all of them
}

// Count is how much was compared.
type Count struct {
	Files, Pages int
	Bytes        int64
}

// Difference is one page, or one file that is no good as a whole.
type Difference struct {
	File   string
	Block  int64                // in the file's fork, in the file itself when it is not a relation's; -1: the whole file
	Rel    *xlog.RelFileLocator // nil: not a relation's
	Fork   xlog.ForkNumber
	Offset int    // of the first byte that differs in the block
	Text   string // the rest, in words
}

// maxDifferences is how many differences are kept.
const maxDifferences = 1000

func newReport() *Report { return &Report{Kinds: map[string]*Count{}} }

func (r *Report) count(name string, size, blcksz int) {
	of := kind(name)
	if r.Kinds[of] == nil {
		r.Kinds[of] = &Count{}
	}
	for _, c := range []*Count{r.Kinds[of], &r.Total} {
		c.Files++
		c.Pages += (size + blcksz - 1) / blcksz
		c.Bytes += int64(size)
	}
}

func (r *Report) differ(d Difference) {
	r.Differing++
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, d)
	}
}

// Err says that something differs, or that nothing was compared.
func (r *Report) Err() error {
	switch {
	case r.Differing != 0:
		return fmt.Errorf("%d differences, the first: %s", r.Differing, r.Differences[0])
	case r.Total.Files == 0 || r.Total.Pages == 0:
		return errors.New("nothing was compared")
	}
	return nil
}

// String is a table of what was compared, and the first differences.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %7s %8s %12s\n", "compared", "files", "pages", "bytes")
	line := func(name string, c *Count) {
		fmt.Fprintf(&b, "%-24s %7d %8d %12d\n", name, c.Files, c.Pages, c.Bytes)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Kinds)) {
		line(name, r.Kinds[name])
	}
	line("total", &r.Total)
	const shown = 50
	for _, d := range r.Differences[:min(shown, len(r.Differences))] {
		fmt.Fprintf(&b, "differs: %s\n", d)
	}
	fmt.Fprintf(&b, "%d differences\n", r.Differing)
	return b.String()
}

func (d Difference) String() string {
	switch {
	case d.Block < 0:
		return fmt.Sprintf("%s: %s", d.File, d.Text)
	case d.Rel == nil:
		return fmt.Sprintf("%s block %d offset %d: %s", d.File, d.Block, d.Offset, d.Text)
	}
	return fmt.Sprintf("%s %s fork block %d offset %d: %s", d.File, d.Fork, d.Block, d.Offset, d.Text)
}
