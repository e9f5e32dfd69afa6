// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/redo"
)

// targetFlags are the flags that say where replay ends, named as PostgreSQL's settings.
type targetFlags struct {
	target    redo.Target
	lsn, time string
}

func (f *targetFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.lsn, "recovery-target-lsn", "", "end at this position of the log")
	fl.StringVar(&f.time, "recovery-target-time", "", "end at this time")
	fl.Uint32Var(&f.target.XID, "recovery-target-xid", 0, "end at this transaction")
	fl.StringVar(&f.target.Name, "recovery-target-name", "", "end at this restore point")
	fl.BoolVar(&f.target.Immediate, "recovery-target-immediate", false, "end as soon as the directory is consistent")
	fl.BoolVar(&f.target.Exclusive, "recovery-target-exclusive", false, "end before the target instead of after it")
}

// timeLayouts are the forms of --recovery-target-time.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999Z07", "2006-01-02 15:04:05.999999 MST",
}

func (f *targetFlags) parse() (_ redo.Target, err error) {
	if f.lsn != "" {
		if f.target.LSN, err = xlog.ParseLSN(f.lsn); err != nil {
			return f.target, fmt.Errorf("--recovery-target-lsn: %w", err)
		}
	}
	if f.time == "" {
		return f.target, nil
	}
	for _, layout := range timeLayouts {
		if f.target.Time, err = time.Parse(layout, f.time); err == nil {
			return f.target, nil
		}
	}
	return f.target, fmt.Errorf("--recovery-target-time: %q is not a time with its zone", f.time)
}
