// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ours is a line of the documents that runs one of our programs, by its name or with go run.
var ours = regexp.MustCompile(`^(?:go run \./(?:examples/)?)?(standby|relay|receivewal|waldump|bench)\b(.*)$`)

// Every command line in the documents is one that its program understands: with --help behind it, a program complains
// about a command or a flag that it does not have, and does nothing else.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	programs := buildPrograms(t)
	found := 0
	for _, document := range []string{"README.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(filepath.Join(root, document))
		require.NoError(t, err)
		for _, line := range commandLines(string(text)) {
			m := ours.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			cmd := exec.Command("sh", "-c", `exec "$0" `+m[2]+` --help`, filepath.Join(programs, m[1]))
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %s\n%s", document, line, out)
			usage := "Usage:"
			if command := subcommand(m[1], m[2]); command != "" {
				usage += "\n  " + m[1] + " " + command
			}
			require.Contains(t, string(out), usage, line)
			found++
		}
	}
	require.Greater(t, found, 10)
	t.Logf("%d command lines understood", found)
}

// subcommand is the command that a line gives to a program that has several; empty when it gives none.
func subcommand(program, args string) string {
	fields := strings.Fields(args)
	if len(fields) == 0 || program != "standby" && program != "bench" || strings.HasPrefix(fields[0], "-") {
		return ""
	}
	return fields[0]
}

// commandLines is the lines of the blocks of code, without prompts, comments and what output is piped to.
func commandLines(markdown string) []string {
	var lines []string
	for i, block := range strings.Split(markdown, "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, " #")
			line, _, _ = strings.Cut(line, " | ")
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "$ ")))
		}
	}
	return lines
}

func buildPrograms(t *testing.T) string {
	dir := t.TempDir()
	args := []string{"build", "-o", dir + "/"}
	for _, p := range strings.Fields("examples/standby examples/relay examples/receivewal examples/waldump bench") {
		args = append(args, "./"+p)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}
