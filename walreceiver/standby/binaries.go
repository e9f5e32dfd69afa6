// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// ErrNoPostgres says that no PostgreSQL installation of the directory's version was found.
var ErrNoPostgres = errors.New("no PostgreSQL installation of this version found")

// FindPostgres returns the directory that holds postgres and pg_ctl of the given major version: the first that fits of
// $PATH and the places where packages put it.
func FindPostgres(ctx context.Context, major int) (string, error) {
	for _, dir := range postgresDirs(major) {
		if checkPostgres(ctx, dir, major) == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w (PostgreSQL %d)", ErrNoPostgres, major)
}

func postgresDirs(major int) []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range []string{
		"/usr/lib/postgresql/%d/bin",
		"/usr/pgsql-%d/bin",
		"/usr/local/pgsql-%d/bin",
		"/opt/homebrew/opt/postgresql@%d/bin",
		"/usr/local/opt/postgresql@%d/bin",
	} {
		dirs = append(dirs, fmt.Sprintf(pattern, major))
	}
	return dirs
}

var versionPattern = regexp.MustCompile(`^\S+ \(.*?\) (\d+)`)

// checkPostgres asks the postgres in dir for its version. The output of a Greenplum server names the PostgreSQL
// version it is built on as well: "postgres (Greenplum Database) 12.12".
func checkPostgres(ctx context.Context, dir string, major int) error {
	for _, name := range []string{"postgres", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("no PostgreSQL programs there: %w", err)
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", filepath.Join(dir, "postgres"), err)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("%s --version says %q", filepath.Join(dir, "postgres"), out)
	}
	if got, err := strconv.Atoi(string(m[1])); err != nil || got != major {
		return fmt.Errorf("%s is version %s, the data directory needs version %d", filepath.Join(dir, "postgres"), m[1], major)
	}
	return nil
}
