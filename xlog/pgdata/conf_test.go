// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// confSnippets are contents of configuration files, sound and otherwise. TestConfOracle asks servers about them.
var confSnippets = []struct {
	text string
	want string // NAME=VALUE, each with its line in front; or "error LINE" after what came before the error
}{
	{"", ""},
	{"\n\n# nothing\n  \t\r\n", ""},
	{"w.a = 1", "1 w.a=1"},
	{"w.a = 1\nW.A = 2 # twice\n", "1 w.a=1, 2 W.A=2"},
	{"port 5432\n", "1 port=5432"},
	{"port=5432", "1 port=5432"},
	{"port5432\n", "error 1"},
	{"port = \n", "error 1"},
	{"port\n", "error 1"},
	{"= 1", "error 1"},
	{"w.a == 1", "error 1"},
	{"w.a = 1 2", "error 1"},
	{"w.a = 1 w.b = 2", "error 1"},
	{"w.a = 1\nw.b 'x' y\nw.c = 3\n", "1 w.a=1, error 2"},
	{"\n\nw.a = 'no end\nw.b = 1\n", "error 3"},
	{"w.a = ''", "1 w.a="},
	{"w.a = 'it''s'", "1 w.a=it's"},
	{`w.a = 'it\'s'`, "1 w.a=it's"},
	{`w.a = 'a\\b'`, `1 w.a=a\b`},
	{`w.a = 'a\`, "error 1"},
	{"w.a = 'a\\\nb'", "error 1"},
	{`w.a = 'x\b\f\r\t\'y'`, "1 w.a=x\b\f\r\t'y"},
	{`w.a = '\101\1012\7\x\"'`, "1 w.a=AA2\ax\""},
	{`w.a = '\400\501'`, "1 w.a="},
	{`w.a = 'cut\0here'`, "1 w.a=cut"},
	{`w.a = 'quote'' open`, "error 1"},
	{`w.a = 'a''' # '`, "1 w.a=a'"},
	{`w.a = 'a'#c`, "1 w.a=a"},
	{`w.a = 'a # b'`, "1 w.a=a # b"},
	{`w.a'glued'`, "1 w.a=glued"},
	{"w.a = 'a'b", "error 1"},
	{"w.a = on", "1 w.a=on"},
	{"w.a = a.b", "error 1"},
	{"w.a = a.b.c", "1 w.a=a.b.c"},
	{"w.a = /srv", "error 1"},
	{"w.a = C:/srv-1_x", "1 w.a=C:/srv-1_x"},
	{"w.a = host-name.example", "1 w.a=host-name.example"},
	{"w.a = 128MB", "1 w.a=128MB"},
	{"w.a = -1", "1 w.a=-1"},
	{"w.a = +1s", "1 w.a=+1s"},
	{"w.a = --1", "error 1"},
	{"w.a = 0x1Fkg", "1 w.a=0x1Fkg"},
	{"w.a = 0xyz", "1 w.a=0xyz"},
	{"w.a = 0x", "1 w.a=0x"},
	{"w.a = 1.5", "1 w.a=1.5"},
	{"w.a = .5", "1 w.a=.5"},
	{"w.a = 5.", "1 w.a=5."},
	{"w.a = -.5e-10", "1 w.a=-.5e-10"},
	{"w.a = 1.5GB", "error 1"},
	{"w.a = 1.5e", "error 1"},
	{"w.a = 1e5", "error 1"},
	{"w.a = 1:2", "error 1"},
	{"w.a = caf\xc3\xa9", "1 w.a=caf\xc3\xa9"},
	{"w.\xc3\xa9 = 1", "1 w.\xc3\xa9=1"},
	{"a-b = 1", "error 1"},
	{"a.b.c = 1", "error 1"},
	{"1a = 1", "error 1"},
	{"w.a = 1\fw.b = 2", "error 1"},
	{"w.a = \"x\"", "error 1"},
	{"w.a = 1\rw.b = 2", "error 1"},
	{"w.a = 1\r\nw.b = 2\r\n", "1 w.a=1, 2 w.b=2"},
	{"w._a$ = 1", "error 1"},
}

func TestParseConf(t *testing.T) {
	t.Parallel()
	for _, tt := range confSnippets {
		require.Equal(t, tt.want, describeConf(tt.text), "%q", tt.text)
	}
	// PostgreSQL counts one line less when the file ends here, so this one is not asked of it.
	require.Equal(t, "error 1", describeConf("port"))
	c, err := ParseConf([]byte("INCLUDE 'a.conf'\nport = 1\ninclude_dir = 'conf.d'\ninclude_if_exists b"))
	require.NoError(t, err)
	require.Equal(t, []Setting{{"port", "1", 2}}, c.Settings)
	require.Equal(t, []Include{{"include", "a.conf", 1}, {"include_dir", "conf.d", 3}, {"include_if_exists", "b", 4}},
		c.Includes)
	c, err = ParseConf([]byte("Port = 1\nPORT = 2"))
	require.NoError(t, err)
	v, ok := c.Lookup("port")
	require.True(t, ok)
	require.Equal(t, "2", v)
	_, ok = c.Lookup("porq")
	require.False(t, ok)
	_, err = ParseConf([]byte("a = 1\nb = 'x' y"))
	require.ErrorIs(t, err, ErrConfSyntax)
	require.ErrorContains(t, err, `in line 2, near token "y"`)
	_, err = ParseConf([]byte("a = 1\nb\nc = 1"))
	require.ErrorContains(t, err, "in line 2, near end of line")
}

// describeConf reads a text as far as it goes.
func describeConf(text string) string {
	var parts []string
	x := confLexer{text: []byte(text), line: 1}
	for {
		s, ok, err := x.setting()
		switch {
		case err != nil:
			return strings.Join(append(parts, fmt.Sprintf("error %d", x.line)), ", ")
		case !ok:
			return strings.Join(parts, ", ")
		}
		parts = append(parts, fmt.Sprintf("%d %s=%s", s.Line, s.Name, s.Value))
	}
}

// TestConfOracle has servers read the snippets, and values quoted here, through pg_file_settings.
func TestConfOracle(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		dir := pgserver.TempDir(t)
		texts := make([]string, 0, len(confSnippets)+40)
		for _, tt := range confSnippets {
			texts = append(texts, tt.text)
		}
		for range 40 {
			texts = append(texts, randomConf(t))
		}
		var include strings.Builder
		for i, text := range texts {
			file := filepath.Join(dir, fmt.Sprintf("%d.conf", i))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			fmt.Fprintf(&include, "include '%s'\n", file)
		}
		conf := filepath.Join(s.DataDir, ConfName)
		f, err := os.OpenFile(conf, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString(include.String())
		require.NoError(t, errors.Join(err, f.Close()))

		said := make(map[string][]string)
		for _, row := range s.SQL(t, `SELECT sourcefile, sourceline, name,
			encode(convert_to(setting, getdatabaseencoding()), 'hex'), error FROM pg_file_settings ORDER BY seqno`) {
			var value []byte
			_, err := fmt.Sscanf(row[3], "%x", &value)
			require.True(t, err == nil || row[3] == "", "%v", err)
			part := fmt.Sprintf("%s %s=%s", row[1], row[2], value)
			if row[4] == "syntax error" {
				part = "error " + row[1]
			}
			said[row[0]] = append(said[row[0]], part)
		}
		for i, text := range texts {
			want := strings.Join(said[filepath.Join(dir, fmt.Sprintf("%d.conf", i))], ", ")
			require.Equal(t, want, describeConf(text), "%q", text)
		}
		t.Logf("%d files read alike", len(texts))
	})
}

// randomConf makes a file of a few settings with values that need quoting.
func randomConf(t *testing.T) string {
	t.Helper()
	const alphabet = "ab '\\\"#=\t\r\b%$./-0789nrt\x7f"
	text := []byte("# random\n")
	for i := range 1 + rand.IntN(5) {
		value := make([]byte, rand.IntN(40))
		for j := range value {
			value[j] = alphabet[rand.IntN(len(alphabet))]
		}
		var err error
		text, err = SetConf(text, Setting{Name: fmt.Sprintf("r.v%d", i), Value: string(value)})
		require.NoError(t, err)
	}
	return string(text)
}

// TestAlterSystemOracle makes the same changes as ALTER SYSTEM and expects the same bytes.
func TestAlterSystemOracle(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{Major: major})
		ours := t.TempDir()
		theirs := filepath.Join(s.DataDir, AutoConfName)
		text, err := os.ReadFile(theirs)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(ours, AutoConfName), text, 0o600))
		settings := []Setting{
			{Name: "primary_conninfo", Value: `host='/srv/a b' password='it\'s \\ "x"' user=u`},
			{Name: "work_mem", Value: "128MB"},
			{Name: "primary_slot_name", Value: "s1"},
			{Name: "restore_command", Value: `cp '%f' "C:\temp\%p"; # no`},
			{Name: "work_mem", Value: "1MB"},
			{Name: "primary_conninfo", Value: ""},
		}
		for _, set := range settings {
			s.SQL(t, fmt.Sprintf("ALTER SYSTEM SET %s = %s", set.Name, sqlLiteral(set.Value)))
			require.NoError(t, SetAutoConf(vfs.OS, ours, set))
			requireSameFile(t, theirs, filepath.Join(ours, AutoConfName))
		}
		s.SQL(t, "ALTER SYSTEM RESET primary_slot_name")
		require.NoError(t, ResetAutoConf(vfs.OS, ours, "Primary_Slot_Name"))
		requireSameFile(t, theirs, filepath.Join(ours, AutoConfName))
	})
}

func sqlLiteral(v string) string {
	return " E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(v) + "'"
}

func requireSameFile(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadFile(want)
	require.NoError(t, err)
	b, err := os.ReadFile(got)
	require.NoError(t, err)
	require.Equal(t, string(a), string(b))
}

func TestSetConf(t *testing.T) {
	t.Parallel()
	text := "# a comment\nport = 1 # first\n\nPORT 2\nwork_mem='1MB'\ninclude 'x'"
	got, err := SetConf([]byte(text), Setting{Name: "port", Value: "3"}, Setting{Name: "w.x", Value: `a'\`})
	require.NoError(t, err)
	require.Equal(t, "# a comment\n\nwork_mem='1MB'\ninclude 'x'\nport = '3'\nw.x = 'a''\\\\'\n", string(got))
	for _, s := range []Setting{
		{Name: "port", Value: "a\nb"},
		{Name: "port", Value: "a\x00b"},
		{Name: "", Value: "a"},
		{Name: " port", Value: "a"},
		{Name: "port ", Value: "a"},
		{Name: "include", Value: "a"},
		{Name: "a.b.c", Value: "a"},
		{Name: "a=b", Value: "a"},
	} {
		_, err := SetConf([]byte(text), s)
		require.ErrorIs(t, err, ErrConfValue, "%+v", s)
	}
	_, err = SetConf([]byte("port = = 1"), Setting{Name: "port", Value: "3"})
	require.ErrorIs(t, err, ErrConfSyntax)
}

func TestSetAutoConf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, AutoConfName)
	_, err := ReadConf(vfs.OS, dir, AutoConfName)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.Chmod(dir, 0o750))
	require.NoError(t, SetAutoConf(vfs.OS, dir, Setting{Name: "a", Value: "b"}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, autoConfHeader+"a = 'b'\n", string(text))
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), st.Mode().Perm(), "the group may read the directory")

	require.NoError(t, os.WriteFile(path, []byte("broken"), 0o600))
	err = SetAutoConf(vfs.OS, dir, Setting{Name: "a", Value: "b"})
	require.ErrorIs(t, err, ErrConfSyntax)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.Truncate(path, maxTextFile+1))
	require.ErrorContains(t, SetAutoConf(vfs.OS, dir), "larger than")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func FuzzConf(f *testing.F) {
	for _, tt := range confSnippets {
		f.Add(tt.text, tt.want)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		before, err := ParseConf([]byte(text))
		if err != nil && !errors.Is(err, ErrConfSyntax) {
			t.Fatal(err)
		}
		quoted, err := QuoteConfValue(value)
		if (err != nil) != strings.ContainsAny(value, "\n\x00") {
			t.Fatal(err)
		}
		if err != nil || before == nil {
			return
		}
		if c, err := ParseConf([]byte("a " + quoted)); err != nil || c.Settings[0].Value != value {
			t.Fatalf("%v %q %q", err, value, quoted)
		}
		edited, err := SetConf([]byte(text), Setting{Name: "q.q", Value: value})
		if err != nil {
			t.Fatal(err)
		}
		after, err := ParseConf(edited)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := after.Lookup("Q.Q"); !ok || v != value {
			t.Fatalf("%q", edited)
		}
		i := 0
		for _, s := range before.Settings {
			if sameName(s.Name, "q.q") {
				continue
			}
			if after.Settings[i].Name != s.Name || after.Settings[i].Value != s.Value {
				t.Fatalf("%q", edited)
			}
			i++
		}
		if len(after.Settings) != i+1 || len(after.Includes) != len(before.Includes) {
			t.Fatalf("%q", edited)
		}
	})
}
