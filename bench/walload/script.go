// SPDX-License-Identifier: Apache-2.0

package walload

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// A script is SQL, a statement ending at a semicolon at a line's end, with comment lines that begin with "--", and
// directives:
//
//	\session NAME[/DATABASE]   the session that runs what follows; a is the first
//	\from N  \until N  \all    what follows is for major versions from N on, up to N, for all of them
//	\may                       the next statement may fail: not every build has everything
//	\restart [NAME=VALUE ...]  ends the sessions and restarts the server, with settings
//	\close                     ends the sessions
//	\jump                      restarts the server with a transaction id far ahead: see jump.go
//	\tear                      kills the server and loses the end of its log, within a record: see tear.go
//	\crash                     kills the server, whatever its sessions do, and starts it again
//	\promote                   restarts the server as a standby and makes it a primary again
//
// ":dir" in a statement is a directory that the server may write to.
func (r *runner) run(name, script string) {
	r.session, r.skip = "a", false
	var sql strings.Builder
	for n, line := range strings.Split(script, "\n") {
		switch {
		case sql.Len() == 0 && strings.HasPrefix(line, `\`):
			require.NoError(r.t, r.directive(strings.Fields(line[1:])), "%s.sql:%d: %s", name, n+1, line)
			continue
		case sql.Len() == 0 && (line == "" || strings.HasPrefix(line, "--")):
			continue
		}
		sql.WriteString(line + "\n")
		if !endsStatement(sql.String()) {
			continue
		}
		if !r.skip {
			r.statement(strings.ReplaceAll(sql.String(), ":dir", r.load.Dir))
		}
		sql.Reset()
	}
	require.Empty(r.t, sql.String(), "%s.sql: the last statement has no end", name)
}

// endsStatement: a semicolon between dollar quotes ends none.
func endsStatement(sql string) bool {
	return strings.HasSuffix(sql, ";\n") && strings.Count(sql, "$$")%2 == 0
}

func (r *runner) directive(words []string) error {
	args := words[1:]
	switch words[0] {
	case "from", "until", "all":
		return r.bound(words[0], args)
	}
	if r.skip {
		return nil
	}
	switch words[0] {
	case "session":
		r.session = args[0]
		return nil
	case "may":
		r.mayFail = true
		return nil
	case "restart":
		return r.restart(args)
	case "close":
		r.closeSessions()
		return nil
	case "jump":
		return r.jump()
	case "tear":
		return r.tear()
	case "crash":
		return r.crash()
	case "promote":
		return r.promote()
	}
	return fmt.Errorf("unknown directive %s", words[0])
}

// bound sets for which versions the following is.
func (r *runner) bound(word string, args []string) error {
	r.skip = false
	if word == "all" {
		return nil
	}
	n, err := strconv.Atoi(args[0])
	r.skip = word == "from" && r.load.Major < n || word == "until" && r.load.Major > n
	return err
}

func (r *runner) restart(args []string) error {
	settings := map[string]string{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		settings[name] = value
	}
	r.closeSessions()
	if err := r.load.Configure(settings); err != nil {
		return err
	}
	return r.load.Restart(pgserver.Fast)
}
