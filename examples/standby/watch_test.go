// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/examples/internal/clitest"
	"github.com/walmirror/walmirror/xlog/catalog/changes"
)

// background runs the program until the test ends or it is told to; end gives its exit code.
func background(t *testing.T, args ...string) (stdout, stderr *clitest.Output, end func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr = new(clitest.Output), new(clitest.Output)
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, strings.NewReader(""), stdout, stderr) }()
	end = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() { end() })
	return stdout, stderr, end
}

func eventually(t *testing.T, out fmt.Stringer, says string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), says) }, 2*time.Minute,
		20*time.Millisecond, "%q", says)
}

// TestWatch: what a transaction defines is shown as text and as JSON, and goes to the file that run was given; replay of
// the same log gives the same file.
func TestWatch(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{Settings: map[string]string{"autovacuum": "off"}})
	dir := filepath.Join(pgserver.TempDir(t), "data")
	code, _, stderr := call(t, "init", "--primary", primary.ConnString(), "-D", dir, "-q")
	require.Equal(t, exitOK, code, stderr)
	code, _, stderr = call(t, "watch", "-D", dir)
	require.Equal(t, exitNotRunning, code, stderr)
	backup := filepath.Join(pgserver.TempDir(t), "copy")
	require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))

	file := filepath.Join(t.TempDir(), "changes.json")
	_, log, endRun := background(t, "run", "-D", dir, "--changes", file)
	eventually(t, log, "standby starts")
	eventually(t, stater{dir}, "streaming")
	text, begins, endText := background(t, "watch", "-D", dir)
	eventually(t, begins, "Watching from")
	lines, begins, endLines := background(t, "watch", "-D", dir, "--json", "--commits")
	eventually(t, begins, "Watching from")
	primary.SQL(t, "CREATE TABLE watched (a int)")
	primary.SQL(t, "INSERT INTO watched VALUES (1)")
	primary.SQL(t, "VACUUM watched")
	primary.SQL(t, "ALTER TABLE watched RENAME TO seen")
	primary.SQL(t, "COMMENT ON TABLE seen IS '<&>'")
	eventually(t, text, "description=<&>")
	eventually(t, lines, `"description":"<&>"`)
	require.Equal(t, exitOK, endText())
	require.Equal(t, exitOK, endLines())
	t.Log(text)
	require.Regexp(t, `(?m)^  \+ postgres\.pg_class oid=\d+ relname=watched `, text.String())
	require.Regexp(t, `(?m)^[0-9A-F/]+ in place\n  ~ postgres\.pg_class .*: .*relpages 0 -> 1`, text.String())
	require.NotContains(t, lines.String(), "in_place")
	require.Contains(t, text.String(), "relname watched -> seen")

	primary.SQL(t, "CREATE TABLE last (a int)")
	eventually(t, fileText(file), `"relname":"last"`)
	require.Equal(t, exitOK, endRun())
	watched := transactions(t, lines.String())
	require.Len(t, watched, 3)
	require.Subset(t, transactions(t, fileText(file).String()), watched)

	again := filepath.Join(t.TempDir(), "again.json")
	code, _, stderr = call(t, "replay", "-D", backup, "--wal", filepath.Join(dir, "pg_wal"), "--changes", again)
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, transactions(t, fileText(file).String()), transactions(t, fileText(again).String()))
}

// transactions reads lines of JSON.
func transactions(t *testing.T, text string) (txs []changes.Transaction) {
	for dec := json.NewDecoder(strings.NewReader(text)); ; {
		var tx changes.Transaction
		err := dec.Decode(&tx)
		if err == io.EOF {
			return txs
		}
		require.NoError(t, err)
		txs = append(txs, tx)
	}
}

// fileText is the name of a file, as text what is in it.
type fileText string

func (f fileText) String() string {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// stater is a data directory, as text its status.
type stater struct{ dir string }

func (s stater) String() string {
	var out bytes.Buffer
	run(context.Background(), []string{"status", "-D", s.dir}, strings.NewReader(""), &out, io.Discard)
	return out.String()
}
