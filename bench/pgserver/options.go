// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Options says what server to make. The zero value is a server of DefaultMajor.
type Options struct {
	// Major is the major version, 12 to 18; 0 is DefaultMajor.
	Major int
	// Settings go to the end of postgresql.conf, values unquoted: {"wal_level": "logical"}.
	Settings map[string]string
	// HBA lines go before those of initdb, which let every local user in by the method of Auth.
	HBA []string
	// Auth is initdb's --auth: "" is trust, or scram-sha-256 when there is a Password.
	Auth string
	// Password of the user postgres; ConnString contains it.
	Password string
	// WALSegmentMB is the size of WAL segments in MiB, a power of two from 1 to 1024; 0 is 16.
	WALSegmentMB int
	// NoChecksums leaves data pages without checksums.
	NoChecksums bool
	// InitdbArgs are further arguments for initdb.
	InitdbArgs []string
	// Fsync keeps fsync on. Off by default: a SIGKILL loses nothing of what the kernel has.
	Fsync bool
	// Port to listen on; 0 picks a free one. It stays the same when the server is restarted.
	Port int
	// StartTimeout bounds a start, with the recovery in it; 0 is two minutes.
	StartTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Major == 0 {
		o.Major = DefaultMajor
	}
	if o.Auth == "" && o.Password != "" {
		o.Auth = "scram-sha-256"
	}
	if o.Auth == "" {
		o.Auth = "trust"
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 2 * time.Minute
	}
	return o
}

func (o Options) initdbArgs(dataDir, pwfile string) []string {
	args := []string{"-D", dataDir, "-U", "postgres", "--auth=" + o.Auth, "--locale=C", "--encoding=UTF8", "--no-sync"}
	if o.Password != "" {
		args = append(args, "--pwfile="+pwfile)
	}
	if o.WALSegmentMB != 0 {
		args = append(args, fmt.Sprintf("--wal-segsize=%d", o.WALSegmentMB))
	}
	switch {
	case !o.NoChecksums:
		args = append(args, "--data-checksums")
	case o.Major >= 18: // where they are on by default
		args = append(args, "--no-data-checksums")
	}
	return append(args, o.InitdbArgs...)
}

// settings are the lines of postgresql.conf that make a server small, quiet and fit for replication. Where it listens
// is not among them but on its command line, so that a copy of the data directory has no port of its own.
func (o Options) settings() map[string]string {
	set := map[string]string{
		"listen_addresses":            "127.0.0.1",
		"unix_socket_directories":     "",
		"wal_level":                   "replica",
		"wal_retrieve_retry_interval": "200ms",
		"max_wal_senders":             "10",
		"max_replication_slots":       "10",
		"fsync":                       "off",
		"wal_init_zero":               "off", // a new segment is zeros either way
		"shared_buffers":              "32MB",
		"huge_pages":                  "off",
		"dynamic_shared_memory_type":  "mmap", // in the data directory, so removed with it
		"logging_collector":           "off",
		"log_line_prefix":             "%m [%p] %b ",
		"log_timezone":                "UTC",
		"timezone":                    "UTC",
		"jit":                         "off",
	}
	if o.Major < 13 {
		set["log_line_prefix"] = "%m [%p] "
	}
	if o.Fsync {
		set["fsync"] = "on"
	}
	maps.Copy(set, o.Settings)
	return set
}

var confEscapes = strings.NewReplacer(`\`, `\\`, `'`, `''`)

// confLines prints settings as lines of postgresql.conf, sorted by name.
func confLines(settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, confEscapes.Replace(settings[name]))
	}
	return b.String()
}
