// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
)

// call runs the program in this process.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	t.Setenv("PGDATA", "")
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"run", exitUsage, "no data directory given"},
		{"frobnicate", exitUsage, "unexpected argument"},
		{"run --frobnicate", exitUsage, "unknown flag"},
		{"init -D " + nowhere, exitUsage, "no primary given"},
		{"init -D " + nowhere + " --primary host=x --checkpoint slow", exitUsage, "--checkpoint is fast or spread"},
		{"init -D " + nowhere + " --primary host=x --max-rate 1", exitUsage, "--max-rate"},
		{"init -D " + nowhere + " --primary host=x --port 70000", exitUsage, "out of range"},
		{"init -D " + nowhere + " --primary host=x -T old=new", exitUsage, "absolute"},
		{"init -D " + nowhere + " --primary host=x -Z rar", exitUsage, "unknown compression"},
		{"init -D " + nowhere + " --primary host=127.0.0.1,port=nonsense", exitFailure, "standby: init"},
		{"run -D " + nowhere, exitFailure, "no such file"},
		{"run -D " + nowhere + " --log-level loud", exitUsage, "--log-level"},
		{"status -D " + nowhere, exitFailure, "no such file"},
		{"watch -D " + nowhere, exitFailure, "no such file"},
		{"activate -D " + nowhere, exitUsage, "use -a"},
		{"activate -a -D " + nowhere, exitFailure, "no such file"},
	} {
		code, _, stderr := call(t, strings.Fields(tt.args)...)
		require.Equal(t, tt.code, code, "%s: %s", tt.args, stderr)
		require.Contains(t, stderr, tt.says, tt.args)
	}
}

// TestHelp: every command says what it is for and shows an example, and the program its exit codes.
func TestHelp(t *testing.T) {
	for _, name := range []string{"init", "run", "status", "watch", "activate", "replay"} {
		code, stdout, _ := call(t, name, "--help")
		require.Equal(t, exitOK, code)
		require.Contains(t, stdout, "Examples:\n  standby "+name)
	}
	_, stdout, _ := call(t, "--help")
	require.Contains(t, stdout, "Exit codes:")
}

// TestDemonstration runs the program as the README's first lines do, on a machine that has nothing else.
func TestDemonstration(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("HOME", filepath.Join(temp, "nowhere"))
	t.Setenv("PATH", "")
	began := time.Now()
	code, stdout, stderr := call(t)
	require.Equal(t, exitOK, code, stderr)
	require.Regexp(t, `all \d\d+ rows that were acknowledged`, stdout)
	require.Regexp(t, `writing .* streaming `, stdout)
	require.Contains(t, stdout, "SIGKILL")
	require.Contains(t, stdout, "go run ./examples/standby init")
	require.NotContains(t, stdout, "\x1b", "no terminal")
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
	t.Logf("after %s\n%s", time.Since(began), stdout)
}

// TestCommands goes through the commands' output and exit codes on a real server.
func TestCommands(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	dir := filepath.Join(pgserver.TempDir(t), "data")
	port := pgserver.FreePort()

	code, stdout, stderr := call(t, "init", "--primary", primary.ConnString(), "-D", dir, "--json", "-q",
		"--port", fmt.Sprint(port))
	require.Equal(t, exitOK, code, stderr)
	var snapshot map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &snapshot))
	require.Equal(t, dir, snapshot["data_directory"])
	require.Equal(t, "walmirror", snapshot["slot_name"])
	require.NotZero(t, snapshot["files_verified"])

	code, _, stderr = call(t, "init", "--primary", primary.ConnString(), "-D", dir)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "nothing was changed")

	code, stdout, _ = call(t, "status", "-D", dir)
	require.Equal(t, exitNotRunning, code)
	require.Regexp(t, `(?m)^state +stopped$`, stdout)
	require.Regexp(t, `(?m)^slot +walmirror$`, stdout)
	code, stdout, _ = call(t, "status", "-D", dir, "--json")
	require.Equal(t, exitNotRunning, code)
	var st standby.Status
	require.NoError(t, json.Unmarshal([]byte(stdout), &st))
	require.Equal(t, port, st.Port)

	require.NoError(t, pgserver.Chown(dir))
	code, _, stderr = call(t, "activate", "-D", dir, "-a", "--postgres", primary.BinDir)
	require.Equal(t, exitAlive, code, stderr)
	require.Contains(t, stderr, "still answers")

	other := exec.Command("sleep", "600") // stands for any process that has the directory
	require.NoError(t, other.Start())
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	lock := filepath.Join(dir, "postmaster.pid")
	require.NoError(t, os.WriteFile(lock, fmt.Appendf(nil, "%d\n%s\n", other.Process.Pid, dir), 0o600))
	code, _, stderr = call(t, "run", "-D", dir)
	require.NoError(t, os.Remove(lock))
	require.Equal(t, exitInUse, code, stderr)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "walmirror.incomplete"), nil, 0o600))
	code, _, stderr = call(t, "run", "-D", dir)
	require.Equal(t, exitIncomplete, code, stderr)
}
