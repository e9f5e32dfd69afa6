// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/walmirror/walmirror/xlog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// emptyDirectories are sent without their contents, which a server makes anew (excludeDirContents in basebackup.c).
var emptyDirectories = []string{
	"pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans",
}

// greenplumEmpty are those that Greenplum adds.
var greenplumEmpty = []string{"log", "backups"}

// excludedFiles are not sent, wherever they are (excludeFiles in basebackup.c).
var excludedFiles = []string{
	pgdata.AutoConfName + ".tmp", "current_logfiles.tmp", pgdata.BackupLabelName, pgdata.TablespaceMapName,
	"backup_manifest", pgdata.PIDFileName, "postmaster.opts", ".DS_Store",
}

// excludedPrefixes begin the names of files that are not sent: relation caches, temporary files, and what a standby of
// ours keeps for itself.
var excludedPrefixes = []string{"pg_internal.init", "pgsql_tmp", "walmirror."}

// excluded tells whether a file or directory is left out because of its name.
func excluded(name string) bool {
	return slices.Contains(excludedFiles, name) ||
		slices.ContainsFunc(excludedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// sentEmpty tells whether only the directory itself is sent.
func sentEmpty(name string, f xlog.Flavour) bool {
	return slices.Contains(emptyDirectories, name) ||
		f != xlog.PostgreSQL && slices.Contains(greenplumEmpty, name)
}

var (
	// relationFile is the name of a relation's file: number, fork and segment.
	relationFile = regexp.MustCompile(`^([0-9]{1,10})(_fsm|_vm|_init)?(?:\.([0-9]+))?$`)
	// temporaryFile is that of a temporary relation (looks_like_temp_rel_name in fd.c); Greenplum's have no backend.
	temporaryFile = regexp.MustCompile(`^t[0-9]*_[0-9]+(_fsm|_vm|_init)?(\.[0-9]+)?$`)
	// databaseDirectory is the path of a database in the data directory or in a tablespace.
	databaseDirectory = regexp.MustCompile(`^(base|(pg_tblspc/[0-9]+/)?(PG|GPDB)_[0-9]+_[0-9]+)/[0-9]+$`)
)

// unlogged finds the relations of a directory that have an init fork. Their other forks are not sent.
func unlogged(names []string) map[string]bool {
	found := map[string]bool{}
	for _, name := range names {
		if m := relationFile.FindStringSubmatch(name); m != nil && m[2] == "_init" {
			found[m[1]] = true
		}
	}
	return found
}

// skipsRelation tells whether a file of a database is not sent.
func skipsRelation(name string, unlogged map[string]bool) bool {
	if temporaryFile.MatchString(name) {
		return true
	}
	m := relationFile.FindStringSubmatch(name)
	return m != nil && m[2] != "_init" && unlogged[m[1]]
}

// hasPages tells whether a file consists of pages with checksums (is_checksummed_file), and the number of its segment.
func hasPages(name string) (segment string, ok bool) {
	dir := path.Dir(name)
	if dir != "global" && !databaseDirectory.MatchString(dir) {
		return "", false
	}
	m := relationFile.FindStringSubmatch(path.Base(name))
	if m == nil {
		return "", false
	}
	return m[3], true
}
