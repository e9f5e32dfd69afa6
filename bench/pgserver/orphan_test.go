// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// orphanVar, when set, makes the test binary an owner of a server: "wait" starts one and waits, "close" closes it.
const orphanVar = "WALMIRROR_PGSERVER_ORPHAN"

func orphanMain() int {
	s, err := pgserver.New(context.Background(), pgserver.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(filepath.Dir(s.LogFile))
	if os.Getenv(orphanVar) == "wait" {
		select {}
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestOwnerKilled kills the process that owns a server: the server ends by itself, and the next owner of any server
// removes its directory.
func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	pgserver.Require(t)
	cmd, dir := startOwner(t, "wait")
	require.NotEmpty(t, workingIn(t, dir))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return len(workingIn(t, dir)) == 0 }, time.Minute, 50*time.Millisecond)

	require.DirExists(t, dir)
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "lock"), old, old))
	cmd, second := startOwner(t, "close")
	require.NoError(t, cmd.Wait())
	require.NoDirExists(t, dir)
	require.NoDirExists(t, second)
}

// startOwner runs this test binary as the owner of a server and returns the server's directory.
func startOwner(t *testing.T, how string) (*exec.Cmd, string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orphanVar+"="+how)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd, strings.TrimSpace(line)
}

// workingIn lists the processes whose working directory is below dir, as that of every process of a server is.
func workingIn(t *testing.T, dir string) []string {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	var found []string
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			found = append(found, link)
		}
	}
	return found
}
