// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
)

// Supported are the major versions that walmirror works with.
var Supported = []int{12, 13, 14, 15, 16, 17, 18}

// DefaultMajor is the version used when none is asked for, and the one whose client tools are at hand.
const DefaultMajor = 15

const defaultServers = "/var/cache/walmirror/servers"

// Majors lists the installed major versions among Supported.
func Majors() []int {
	var found []int
	for _, major := range Supported {
		if _, err := BinDir(major); err == nil {
			found = append(found, major)
		}
	}
	return found
}

// BinDir is the directory of a version's binaries.
func BinDir(major int) (string, error) {
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("pgserver: servers run on Linux only, not on %s", runtime.GOOS)
	}
	n := strconv.Itoa(major)
	for _, dir := range []string{
		filepath.Join(os.Getenv("WALMIRROR_SERVERS"), n, "bin"),
		filepath.Join("/usr/lib/postgresql", n, "bin"),
		filepath.Join(defaultServers, n, "bin"),
	} {
		if filepath.IsAbs(dir) && executable(filepath.Join(dir, "postgres")) && executable(filepath.Join(dir, "initdb")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("pgserver: PostgreSQL %d is not installed", major)
}

// ToolPath is the path of a PostgreSQL program: the given version's own where it has it, else that of DefaultMajor,
// the only version whose client tools are installed.
func ToolPath(major int, name string) (string, error) {
	for _, m := range []int{major, DefaultMajor} {
		dir, err := BinDir(m)
		if err == nil && executable(filepath.Join(dir, name)) {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("pgserver: %s is not installed", name)
}

// Command prepares a PostgreSQL program to be run by the servers' user, in the root directory and without the
// caller's PG* variables. The program is ToolPath's; when it is not installed, running the command says so.
func Command(ctx context.Context, major int, name string, args ...string) *exec.Cmd {
	path, err := ToolPath(major, name)
	cmd := exec.CommandContext(ctx, path, args...)
	if err != nil {
		cmd.Err = err
	}
	cmd.Dir = "/"
	cmd.Env = cleanEnv()
	RunAs(cmd)
	return cmd
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
