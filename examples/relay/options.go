// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/walmirror/walmirror/examples/internal/serve"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// options are the command line.
type options struct {
	dir        string
	primary    string
	slot       string
	createSlot bool
	interval   time.Duration
	timeout    time.Duration
	compress   string
	remove     bool
	rescan     time.Duration
	logLevel   string
	serve      serve.Flags

	// Filled in by check.
	level       slog.Level
	compression waldir.Compression
}

func (o *options) register(fl *pflag.FlagSet) {
	fl.SortFlags = false
	fl.StringVarP(&o.dir, "directory", "D", "", "the archive, or a data directory, `DIR`")
	fl.StringVarP(&o.primary, "dbname", "d", "", "receive from the server at this connection string or URL, `CONNSTR`")
	fl.StringVarP(&o.slot, "slot", "S", "", "replication slot to use there, `NAME`")
	fl.BoolVar(&o.createSlot, "create-slot", false, "make the slot if it is not there")
	fl.DurationVarP(&o.interval, "status-interval", "s", walreceiver.DefaultStatusInterval,
		"longest time between two replies to the server")
	fl.DurationVar(&o.timeout, "receive-timeout", walreceiver.DefaultReceiveTimeout,
		"give a silent connection to the server up after this time")
	fl.StringVarP(&o.compress, "compress", "Z", "none",
		"compress complete segments as `METHOD[:LEVEL]`, none, gzip, lz4 or zstd")
	fl.BoolVar(&o.remove, "remove", false, "remove segments that neither a slot nor --wal-keep-size keeps")
	fl.DurationVar(&o.rescan, "rescan", 0, "look for new log so often in a directory that another program fills; 0 is never")
	o.serve.Register(fl)
	fl.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
}

// check finds what is wrong before anything begins.
func (o *options) check() (err error) {
	switch {
	case o.dir == "":
		return errors.New("no directory given: use -D")
	case len(o.serve.Listen) == 0:
		return errors.New("no address given: use --listen")
	case o.primary == "" && (o.slot != "" || o.createSlot || o.remove || o.compress != "none"):
		return errors.New("--slot, --create-slot, --compress and --remove need --dbname")
	case o.primary != "" && o.rescan != 0:
		return errors.New("--rescan is for a directory that another program fills")
	case o.createSlot && o.slot == "":
		return errors.New("--create-slot needs --slot")
	}
	if o.compression, err = waldir.ParseCompression(o.compress); err != nil {
		return err
	}
	if err := o.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	return o.serve.Check()
}

func (o *options) slotCreation() walreceiver.SlotCreation {
	if o.createSlot {
		return walreceiver.SlotPermanent
	}
	return 0
}
