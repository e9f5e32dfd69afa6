// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Require skips a test when one of the given major versions (none: DefaultMajor) is not installed. With
// WALMIRROR_REQUIRE_SERVERS=1 it fails instead.
func Require(t testing.TB, majors ...int) {
	t.Helper()
	if len(majors) == 0 {
		majors = []int{DefaultMajor}
	}
	for _, major := range majors {
		if _, err := BinDir(major); err != nil {
			missing(t, err)
		}
	}
}

// RequireTool is the path of a client tool of DefaultMajor. Without it the test is skipped, or fails, as by Require.
func RequireTool(t testing.TB, name string) string {
	t.Helper()
	path, err := ToolPath(DefaultMajor, name)
	if err != nil {
		missing(t, err)
	}
	return path
}

func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("WALMIRROR_REQUIRE_SERVERS") == "1" {
		t.Fatalf("%v: run .ci/install-servers", err)
	} else {
		t.Skipf("%v: run .ci/install-servers to enable this test", err)
	}
}

// EachMajor runs a subtest for every supported version, with -short for DefaultMajor and the newest.
func EachMajor(t *testing.T, f func(t *testing.T, major int)) {
	majors := Supported
	if testing.Short() {
		majors = []int{DefaultMajor, Supported[len(Supported)-1]}
	}
	eachOf(t, majors, f)
}

func eachOf(t *testing.T, majors []int, f func(t *testing.T, major int)) {
	for _, major := range majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			Require(t, major)
			f(t, major)
		})
	}
}

// LongVar names the environment variable that asks for the long variants of tests: more versions, more repetitions.
const LongVar = "WALMIRROR_LONG"

// Long tells whether LongVar is set to 1.
func Long() bool { return os.Getenv(LongVar) == "1" }

// SomeMajors is EachMajor where long tests are asked for, else for DefaultMajor and the newest.
func SomeMajors(t *testing.T, f func(t *testing.T, major int)) {
	majors := []int{DefaultMajor, Supported[len(Supported)-1]}
	if Long() {
		majors = Supported
	}
	eachOf(t, majors, f)
}

// Start is New for a test: it needs the version, and closes the server at the test's end. The log of a test that failed
// contains the end of the server's log.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	opts = opts.withDefaults()
	Require(t, opts.Major)
	s, err := New(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s)
	return s
}

func closeAfter(t testing.TB, s *Server) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of PostgreSQL %d on port %d:\n%s", s.Major, s.Port, lastLines(s.Log(), 100))
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing the server: %v", err)
		}
	})
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// TempDir is a directory that the servers' user can reach, which one below testing's TempDir is not when root made it.
// It is removed at the test's end.
func TempDir(t testing.TB) string {
	t.Helper()
	parent, err := tempParent()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(parent, "walmirror-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing %s: %v", dir, err)
		}
	})
	return dir
}

// SQL is Query for a test, which an error ends.
func (s *Server) SQL(t testing.TB, sql string, args ...any) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	rows, err := s.Query(ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// Value is the only column of the only row that SQL returns.
func (s *Server) Value(t testing.TB, sql string, args ...any) string {
	t.Helper()
	rows := s.SQL(t, sql, args...)
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%s: one value expected, not %q", sql, rows)
	}
	return rows[0][0]
}
