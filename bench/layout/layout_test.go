// SPDX-License-Identifier: Apache-2.0

// Package layout keeps the house in order: what stands at the top level, which package may import which, and what a
// source file must and must not contain. It has no code but its tests.
package layout_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/walmirror/walmirror"
)

// topLevel is everything that may stand at the top level.
var topLevel = strings.Fields(`
	protocol walsender walreceiver xlog examples bench go.mod go.sum LICENSE
	README.md DESIGN.md CONTRIBUTING.md CHANGELOG.md .ci .git .gitignore .gitattributes`)

// The modules of others that a package may import, by the beginnings of import paths.
const (
	pgproto  = "github.com/jackc/pgproto3/v2 github.com/jackc/chunkreader/v2"
	pgconn   = "github.com/jackc/pgx/v5"
	compress = "github.com/klauspost/compress github.com/pierrec/lz4/v4"
	sys      = "golang.org/x/sys"
	sync     = "golang.org/x/sync"
	testify  = "github.com/stretchr/testify"
	scram    = "github.com/xdg-go/scram"
	sqlite   = "github.com/ncruces/go-sqlite3"
	anything = "*"
)

// rule is what the non-test code of a package may import beside the standard library: packages of this module and
// modules of others, separated by spaces.
type rule struct{ ours, others string }

// rules has the rule of every package; one ending in "/" is for all below it. Imports run downward only.
var rules = map[string]rule{
	"xlog":             {},
	"xlog/vfs":         {},
	"xlog/vfs/faultfs": {ours: "xlog/vfs"},
	"xlog/xlogtest":    {ours: "xlog xlog/bufpage xlog/rmgr xlog/vfs", others: compress + " " + testify},
	"xlog/bufpage":     {ours: "xlog", others: compress},
	"xlog/pgtext":      {ours: "xlog"},
	"xlog/waldir":      {ours: "xlog xlog/vfs", others: compress + " " + sys},
	"xlog/rmgr":        {ours: "xlog xlog/bufpage"},
	"xlog/pgdata":      {ours: "xlog xlog/bufpage xlog/vfs", others: sys},
	"xlog/redo":        {ours: "xlog xlog/rmgr xlog/bufpage xlog/pgdata xlog/vfs"},
	"xlog/catalog":     {ours: "xlog xlog/pgtext xlog/bufpage xlog/pgdata xlog/vfs"},
	"xlog/catalog/changes": {
		ours: "xlog xlog/bufpage xlog/pgdata xlog/rmgr xlog/redo xlog/catalog",
	},

	"protocol":              {ours: "xlog", others: pgproto},
	"protocol/protocoltest": {ours: "xlog protocol", others: pgproto},

	"walsender/syncrep": {ours: "xlog"},
	"walsender/pgsql":   {ours: "xlog xlog/pgtext protocol", others: sqlite},
	"walsender": {
		ours:   "protocol xlog xlog/vfs xlog/waldir xlog/pgdata xlog/bufpage walsender/syncrep walsender/pgsql",
		others: strings.Join([]string{pgproto, compress, scram, sync, sys}, " "),
	},
	"walsender/coordinator": {
		ours: "walsender walsender/syncrep xlog xlog/vfs xlog/waldir xlog/pgdata xlog/bufpage xlog/rmgr xlog/redo" +
			" xlog/catalog",
		others: compress,
	},
	"walreceiver": {
		ours:   "protocol xlog xlog/vfs xlog/waldir xlog/pgdata",
		others: strings.Join([]string{pgproto, pgconn, compress, sync, sys}, " "),
	},
	"walreceiver/standby": {
		ours: "protocol walsender walsender/syncrep walsender/pgsql walreceiver xlog xlog/bufpage xlog/rmgr xlog/redo xlog/pgdata" +
			" xlog/waldir xlog/catalog xlog/catalog/changes xlog/vfs",
		others: strings.Join([]string{pgproto, pgconn, sync, sys}, " "),
	},

	// The programs stand above all; what is for tests only is still not theirs.
	"examples/": {
		ours: "protocol walsender walreceiver walreceiver/standby xlog xlog/bufpage xlog/rmgr xlog/redo xlog/pgdata" +
			" xlog/waldir xlog/catalog xlog/catalog/changes xlog/vfs examples/",
		others: anything,
	},
	"examples/standby": {
		ours: "walsender walsender/coordinator walreceiver walreceiver/standby xlog xlog/catalog xlog/catalog/changes" +
			" xlog/pgdata xlog/redo xlog/vfs xlog/waldir protocol examples/",
		others: anything,
	},
	"bench/pgserver": {others: pgconn + " " + sys},
	"bench":          {ours: anything, others: anything},
	"bench/":         {ours: anything, others: anything},
}

// A source is one Go file of the module.
type source struct {
	name    string // relative to the root, with slashes
	text    []byte
	syntax  *ast.File
	imports []string
}

func (s *source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// sources parses every Go file, for whatever system it is meant.
func sources(t *testing.T) []*source {
	var found []*source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") {
			return err
		}
		s := &source{}
		if s.text, err = os.ReadFile(name); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s.name = filepath.ToSlash(rel)
		if s.syntax, err = parser.ParseFile(token.NewFileSet(), name, s.text, 0); err != nil {
			return err
		}
		for _, spec := range s.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		found = append(found, s)
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, found)
	t.Logf("%d Go files", len(found))
	return found
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		ignored := name == "bin" || strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof") // .gitignore
		if !ignored && !slices.Contains(topLevel, name) {
			t.Errorf("%s: does not belong at the top level", name)
		}
	}
}

// TestImports holds every package to its rule. Test code may import what it likes.
func TestImports(t *testing.T) {
	checked := 0
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		dir := path.Dir(s.name)
		rule, ok := ruleFor(dir)
		if !ok {
			t.Errorf("%s: package %s has no rule here that says what it may import", s.name, dir)
			continue
		}
		for _, imported := range s.imports {
			checked++
			if !rule.allows(imported) {
				t.Errorf("%s: %s may not import %s", s.name, dir, imported)
			}
		}
	}
	require.NotZero(t, checked)
	t.Logf("%d imports checked", checked)
}

// ruleFor finds the rule of a package, or of the nearest directory above it that has one for all below.
func ruleFor(dir string) (rule, bool) {
	if r, ok := rules[dir]; ok {
		return r, true
	}
	for up := path.Dir(dir); up != "."; up = path.Dir(up) {
		if r, ok := rules[up+"/"]; ok {
			return r, true
		}
	}
	return rule{}, false
}

func (r rule) allows(imported string) bool {
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return matches(r.ours, ours)
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	return matches(r.others, imported)
}

// matches says whether a list has the name itself, or a name above it for the modules of others.
func matches(list, name string) bool {
	return slices.ContainsFunc(strings.Fields(list), func(item string) bool {
		switch {
		case item == anything, item == name:
			return true
		case strings.HasSuffix(item, "/"):
			return strings.HasPrefix(name, item)
		}
		return strings.Contains(item, ".") && strings.HasPrefix(name, item+"/")
	})
}

func TestLicenceLine(t *testing.T) {
	for _, s := range sources(t) {
		if !bytes.HasPrefix(s.text, []byte("// SPDX-License-Identifier: Apache-2.0\n")) {
			t.Errorf("%s: does not begin with the licence line", s.name)
		}
	}
}

// TestNoPlaces keeps the places of one machine, and the hosts of package registries, out of everything but recorded
// data.
func TestNoPlaces(t *testing.T) {
	places := []string{"/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "registry.npm" + "js", "proxy.golang" + ".org"}
	read := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		read++
		for _, place := range places {
			if bytes.Contains(text, []byte(place)) {
				t.Errorf("%s: contains %s", name, place)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, read)
}

// TestSkips keeps one way to skip for want of a server: pgserver's, which fails where servers are required. Any other
// skip has to say by its variable what enables the test, or that it is for want of root, of Linux, of time or of a
// version that has the thing.
func TestSkips(t *testing.T) {
	reasons := []string{"WALMIRROR_", "root", "mounting", "Linux", "-short", "version"}
	found := 0
	all := sources(t)
	named := map[string]map[string]string{}
	for _, s := range all {
		addStringConstants(named, path.Dir(s.name), s.syntax)
	}
	for _, s := range all {
		inside := strings.HasPrefix(s.name, "bench/pgserver/") || strings.HasPrefix(s.name, "bench/layout/")
		if inside {
			continue
		}
		if bytes.Contains(s.text, []byte("WALMIRROR_REQUIRE_SERVERS")) {
			t.Errorf("%s: reads WALMIRROR_REQUIRE_SERVERS instead of calling pgserver.Require", s.name)
		}
		if s.isTest() && bytes.Contains(s.text, []byte("/usr/lib/post"+"gresql")) {
			t.Errorf("%s: looks for a server by itself instead of asking pgserver", s.name)
		}
		for _, skip := range skips(s.syntax, named[path.Dir(s.name)]) {
			found++
			if !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(skip, r) }) {
				t.Errorf("%s: skips with %s: say which of %q is missing, or call pgserver.Require", s.name, skip, reasons)
			}
		}
	}
	t.Logf("%d skips", found)
}

// skips lists the strings given to each call of Skip, Skipf or SkipNow, literally or by the name of a constant.
func skips(file *ast.File, named map[string]string) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !strings.HasPrefix(sel.Sel.Name, "Skip") || !isTestParameter(sel.X) {
			return true
		}
		said := sel.Sel.Name + "("
		for _, arg := range call.Args {
			switch arg := arg.(type) {
			case *ast.BasicLit:
				said += arg.Value
			case *ast.Ident:
				said += named[arg.Name]
			}
		}
		found = append(found, said+")")
		return true
	})
	return found
}

// addStringConstants adds the names of a file's constants, with the text of their values, to those of its directory.
func addStringConstants(named map[string]map[string]string, dir string, file *ast.File) {
	if named[dir] == nil {
		named[dir] = map[string]string{}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, value := range spec.Values {
			if lit, ok := value.(*ast.BasicLit); ok && i < len(spec.Names) {
				named[dir][spec.Names[i].Name] = lit.Value
			}
		}
		return true
	})
}

func isTestParameter(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "b", "f", "tb"}, name.Name)
}
