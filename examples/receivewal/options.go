// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/waldir"
)

// options are the command line.
type options struct {
	directory   string
	endpos      string
	ifNotExists bool
	noLoop      bool
	noSync      bool
	interval    int // seconds
	slot        string
	synchronous bool
	verify      bool
	verbose     bool
	compress    string
	createSlot  bool
	dropSlot    bool
	server      server

	// Filled in by check.
	stopAt      xlog.LSN
	compression waldir.Compression
}

const maxInterval = math.MaxInt32 / 1000 // of -s, as in pg_receivewal

func (o *options) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVarP(&o.directory, "directory", "D", "", "receive write-ahead log files into this directory, `DIR`")
	f.StringVarP(&o.endpos, "endpos", "E", "", "exit after receiving the specified position, `LSN`")
	f.BoolVar(&o.ifNotExists, "if-not-exists", false, "do not error if slot already exists when creating a slot")
	f.BoolVarP(&o.noLoop, "no-loop", "n", false, "do not loop on connection lost")
	f.BoolVar(&o.noSync, "no-sync", false, "do not wait for changes to be written safely to disk")
	f.IntVarP(&o.interval, "status-interval", "s", 10, "time between status packets sent to server, `SECS`")
	f.StringVarP(&o.slot, "slot", "S", "", "replication slot to use, `SLOTNAME`")
	f.BoolVar(&o.verify, "verify", false, "check every record before it is stored, and receive again what is corrupt")
	f.BoolVar(&o.synchronous, "synchronous", false, "accepted for compatibility: log is always flushed at once")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "output verbose messages")
	f.StringVarP(&o.compress, "compress", "Z", "none",
		"compress complete segments as `METHOD[:LEVEL]`, none, gzip, lz4 or zstd")
	f.StringVarP(&o.server.dbname, "dbname", "d", "", "connection string or URL, `CONNSTR`")
	f.StringVarP(&o.server.host, "host", "h", "", "database server host or socket directory, `HOSTNAME`")
	f.StringVarP(&o.server.port, "port", "p", "", "database server port number, `PORT`")
	f.StringVarP(&o.server.user, "username", "U", "", "connect as specified database user, `NAME`")
	f.BoolVarP(&o.server.noPassword, "no-password", "w", false, "never prompt for password")
	f.BoolVarP(&o.server.askPassword, "password", "W", false, "force password prompt (should happen automatically)")
	f.BoolVar(&o.createSlot, "create-slot", false,
		"create a new replication slot and exit (for the slot's name see --slot)")
	f.BoolVar(&o.dropSlot, "drop-slot", false, "drop the replication slot and exit (for the slot's name see --slot)")
	f.BoolP("version", "V", false, "output version information, then exit")
	f.BoolP("help", "?", false, "show this help, then exit")
}

// check finds what pg_receivewal refuses before it connects, in its order.
func (o *options) check() error {
	switch {
	case o.interval < 0 || o.interval > maxInterval:
		return fmt.Errorf("-s/--status-interval must be in range 0..%d", maxInterval)
	case o.dropSlot && o.createSlot:
		return usageError{errors.New("cannot use --create-slot together with --drop-slot")}
	case o.slot == "" && o.dropSlot:
		return usageError{errors.New("--drop-slot needs a slot to be specified using --slot")}
	case o.slot == "" && o.createSlot:
		return usageError{errors.New("--create-slot needs a slot to be specified using --slot")}
	case o.synchronous && o.noSync:
		return usageError{errors.New("cannot use --synchronous together with --no-sync")}
	case o.server.noPassword && o.server.askPassword:
		return usageError{errors.New("cannot use --password together with --no-password")}
	case o.directory == "" && !o.slotAction():
		return usageError{errors.New("no target directory specified")}
	}
	var err error
	if o.endpos != "" {
		if o.stopAt, err = xlog.ParseLSN(o.endpos); err != nil {
			return fmt.Errorf("could not parse end position %q", o.endpos)
		}
	}
	if o.compression, err = waldir.ParseCompression(o.compress); err != nil {
		return err
	}
	if o.slotAction() {
		return nil
	}
	return checkDirectory(o.directory)
}

// slotAction tells whether the program is to do something with the slot and nothing else.
func (o *options) slotAction() bool { return o.createSlot || o.dropSlot }

func checkDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("could not open directory: %w", err)
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); err != nil && err != io.EOF {
		return fmt.Errorf("could not open directory: %w", err)
	}
	return nil
}

// statusInterval is how often the server gets a status. 0 leaves it to the server's own timeout to ask for one.
func (o *options) statusInterval() time.Duration {
	if o.interval == 0 {
		return maxInterval * time.Second
	}
	return time.Duration(o.interval) * time.Second
}

// verification is how the log is checked; nil is not at all, as pg_receivewal does it.
func (o *options) verification() *walreceiver.VerifyConfig {
	if !o.verify {
		return nil
	}
	return &walreceiver.VerifyConfig{}
}
