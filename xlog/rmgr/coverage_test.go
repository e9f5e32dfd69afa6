// SPDX-License-Identifier: Apache-2.0

package rmgr

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/walmirror/walmirror/xlog"
)

// coverage counts compared records of every version.
type coverage struct {
	majors []int
	counts map[string]map[int]int // "Heap INSERT" -> version -> records
	order  []string
}

// check notes what was compared, and fails for a kind of record that was not.
func (c *coverage) check(t *testing.T, major int, o *oracle) {
	if c.counts == nil {
		c.counts = map[string]map[int]int{}
	}
	c.majors = append(c.majors, major)
	kinds := 0
	for id := range xlog.RmgrID(len(tables)) {
		if !o.dec.Dialect.ValidRmgr(id) {
			continue
		}
		name := o.dec.Dialect.RmgrName(id)
		for _, record := range recordNames(o.dec.Dialect, id) {
			kinds++
			n := 0
			if r := o.results[name]; r != nil {
				n = r.names[record]
			}
			c.add(name+" "+record, major, n)
			if n == 0 {
				requireReason(t, name+" "+record)
			}
		}
	}
	t.Logf("%d kinds of records", kinds)
}

// recordNames are the names of a resource manager's records.
func recordNames(d *xlog.Dialect, id xlog.RmgrID) (names []string) {
	for _, o := range tables[id](d) {
		if o.name != "" && !slices.Contains(names, o.name) {
			names = append(names, o.name)
		}
	}
	return names
}

func requireReason(t *testing.T, kind string) {
	if reason, ok := unreached[kind]; ok {
		t.Logf("%s was not reached: %s", kind, reason)
	} else {
		t.Errorf("%s was not reached, and there is no reason why", kind)
	}
}

func (c *coverage) add(kind string, major, n int) {
	if c.counts[kind] == nil {
		c.counts[kind] = map[int]int{}
		c.order = append(c.order, kind)
	}
	c.counts[kind][major] += n
}

// String is a table.
func (c *coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-42s", "")
	for _, major := range c.majors {
		fmt.Fprintf(&b, "%8d", major)
	}
	slices.SortStableFunc(c.order, func(a, b string) int {
		return strings.Compare(strings.Fields(a)[0], strings.Fields(b)[0])
	})
	for _, kind := range c.order {
		fmt.Fprintf(&b, "\n%-42s", kind)
		for _, major := range c.majors {
			if n, has := c.counts[kind][major]; has {
				fmt.Fprintf(&b, "%8d", n)
			} else {
				fmt.Fprintf(&b, "%8s", "-")
			}
		}
	}
	return b.String()
}

// unreached has the reason for every kind of record that the load does not reach.
var unreached = map[string]string{
	"XLOG NOOP":            "no server writes it",
	"Heap HOT_UPDATE+INIT": "the page has the old version of the row, so the new one is never alone on it",
	"CommitTs SETTS":       "servers ask for it nowhere; the times come with commit records",
}
