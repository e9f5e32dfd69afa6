// SPDX-License-Identifier: Apache-2.0

package pagecompare

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// ignored are the names, relative to a data directory, of what is not replayed from the log.
var ignored = []string{
	"postmaster.pid", "postmaster.opts", // of the server that ran last
	"*.conf", "*.conf.bak", "*.signal", // settings
	"backup_label.old", "tablespace_map.old", "backup_manifest", // of the backup
	"current_logfiles", "log", "server.log", "gpsegconfig_dump", "walmirror.*", // what servers say
	"pg_wal",                                                                          // the log itself
	"pg_stat", "pg_stat_tmp", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", // made anew at every start
	"pg_subtrans", // has no meaning after a restart
	"pg_replslot", // of each server itself
	"pgsql_tmp",
}

// isIgnored says whether a file or directory is not to be compared.
func isIgnored(name string) bool {
	return slices.ContainsFunc(ignored, func(pattern string) bool {
		ok, _ := path.Match(pattern, path.Base(name))
		return ok
	})
}

// list finds the files and directories below a data directory by their names relative to it, and where each is. The
// name of a directory ends in a slash. It follows the links to tablespaces.
func list(dir string) (map[string]string, error) {
	found := map[string]string{}
	if err := listInto(found, dir, ""); err != nil {
		return nil, err
	}
	return found, nil
}

func listInto(found map[string]string, dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, at := path.Join(prefix, e.Name()), filepath.Join(dir, e.Name())
		if isIgnored(name) {
			continue
		}
		if e.IsDir() || e.Type()&fs.ModeSymlink != 0 && prefix == "pg_tblspc" {
			found[name+"/"] = at
			if err := listInto(found, at, name); err != nil {
				return err
			}
			continue
		}
		found[name] = at
	}
	return nil
}

// merge is the names of both sides, sorted.
func merge[V, W any](a map[string]V, b map[string]W) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// relationFile is what the name of a relation's segment file says (src/common/relpath.c).
type relationFile struct {
	rel     xlog.RelFileLocator
	fork    xlog.ForkNumber
	segment uint32
}

const (
	defaultTablespace = 1663
	globalTablespace  = 1664
)

var (
	relationName  = regexp.MustCompile(`^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$`)
	databaseNames = regexp.MustCompile(`^(?:global|base/(\d+)|pg_tblspc/(\d+)/[^/]+/(\d+))$`)
	forkNames     = map[string]xlog.ForkNumber{"": 0, "fsm": 1, "vm": 2, "init": 3}
)

// parseRelation takes the name of a file apart; false when it is not that of a relation.
func parseRelation(name string) (f relationFile, ok bool) {
	dir := databaseNames.FindStringSubmatch(path.Dir(name))
	base := relationName.FindStringSubmatch(path.Base(name))
	if dir == nil || base == nil {
		return f, false
	}
	f.rel.Tablespace, f.rel.Database = globalTablespace, 0
	switch {
	case dir[1] != "":
		f.rel.Tablespace, f.rel.Database = defaultTablespace, number(dir[1])
	case dir[2] != "":
		f.rel.Tablespace, f.rel.Database = number(dir[2]), number(dir[3])
	}
	f.rel.RelNumber, f.fork, f.segment = uint64(number(base[1])), forkNames[base[2]], number(base[3])
	return f, true
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// kind is the sort of a file, for counting.
func kind(name string) string {
	if f, ok := parseRelation(name); ok {
		return f.fork.String() + " fork"
	}
	first, _, inside := strings.Cut(name, "/")
	switch base := path.Base(name); {
	case base == "pg_filenode.map", base == "PG_VERSION", base == "pg_internal.init", base == "pg_control":
		return base
	case inside && strings.HasPrefix(first, "pg_") && first != "pg_tblspc":
		return path.Dir(name)
	}
	return "other"
}
