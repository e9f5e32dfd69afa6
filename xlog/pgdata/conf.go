// SPDX-License-Identifier: Apache-2.0

package pgdata

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/walmirror/walmirror/xlog/vfs"
)

// Names of the configuration files in a data directory.
const (
	ConfName     = "postgresql.conf"
	AutoConfName = "postgresql.auto.conf" // what ALTER SYSTEM writes; read last, so it wins
	// InternalConfName is Greenplum's file for what no user is to change: gp_dbid.
	InternalConfName = "internal.auto.conf"
)

var (
	// ErrConfSyntax says that PostgreSQL would not read a configuration file.
	ErrConfSyntax = errors.New("configuration syntax error")
	// ErrConfValue says that a name or a value cannot stand in a configuration file.
	ErrConfValue = errors.New("invalid configuration setting")
)

// A Setting is one line NAME = VALUE of a configuration file.
type Setting struct {
	Name  string
	Value string // without quotes and escapes
	Line  int    // counted from 1; of no meaning when a setting is written
}

// An Include is a directive to read other files. They are not read here.
type Include struct {
	Directive string // include, include_if_exists or include_dir
	Path      string // as written: relative to the file's own directory
	Line      int
}

// Conf is what a configuration file says.
type Conf struct {
	Settings []Setting // in the file's order, repeated ones as well
	Includes []Include
}

// Lookup is the value of a setting: the last one counts, and ASCII case does not (guc_name_compare).
func (c *Conf) Lookup(name string) (value string, ok bool) {
	for i := len(c.Settings) - 1; i >= 0; i-- {
		if sameName(c.Settings[i].Name, name) {
			return c.Settings[i].Value, true
		}
	}
	return "", false
}

// ParseConf reads a configuration file as PostgreSQL does (src/backend/utils/misc/guc-file.l). The first line that
// PostgreSQL would complain about is an error.
func ParseConf(text []byte) (*Conf, error) {
	c := new(Conf)
	x := confLexer{text: text, line: 1}
	for {
		s, ok, err := x.setting()
		if err != nil {
			return nil, err
		}
		if !ok {
			return c, nil
		}
		if d := strings.ToLower(s.Name); isDirective(d) {
			c.Includes = append(c.Includes, Include{Directive: d, Path: s.Value, Line: s.Line})
		} else {
			c.Settings = append(c.Settings, s)
		}
	}
}

func isDirective(name string) bool {
	return name == "include" || name == "include_if_exists" || name == "include_dir"
}

// sameName compares names of settings, in which only ASCII letters fold.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// QuoteConfValue makes a value of a configuration file as ALTER SYSTEM does, with quotes and backslashes doubled. A
// value cannot hold a newline or a zero byte.
func QuoteConfValue(value string) (string, error) {
	if strings.ContainsAny(value, "\n\x00") {
		return "", fmt.Errorf("%w: value %q has a newline or a zero byte", ErrConfValue, value)
	}
	return "'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(value) + "'", nil
}

// SetConf changes the text of a configuration file as ALTER SYSTEM does: lines that set one of the names are dropped
// and the new ones stand at the end. All other lines, comments too, stay as they are.
func SetConf(text []byte, settings ...Setting) ([]byte, error) {
	names := make([]string, len(settings))
	var added bytes.Buffer
	for i, s := range settings {
		if !isSettingName(s.Name) {
			return nil, fmt.Errorf("%w: name %q", ErrConfValue, s.Name)
		}
		value, err := QuoteConfValue(s.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		names[i] = s.Name
		fmt.Fprintf(&added, "%s = %s\n", s.Name, value)
	}
	kept, err := ResetConf(text, names...)
	if err != nil {
		return nil, err
	}
	if n := len(kept); n > 0 && kept[n-1] != '\n' {
		kept = append(kept, '\n')
	}
	return append(kept, added.Bytes()...), nil
}

// ResetConf drops the lines that set one of the names.
func ResetConf(text []byte, names ...string) ([]byte, error) {
	c, err := ParseConf(text)
	if err != nil {
		return nil, err
	}
	drop := make(map[int]bool)
	for _, s := range c.Settings {
		for _, name := range names {
			if sameName(s.Name, name) {
				drop[s.Line] = true
			}
		}
	}
	kept := make([]byte, 0, len(text))
	line := 0
	for l := range bytes.Lines(text) {
		if line++; !drop[line] {
			kept = append(kept, l...)
		}
	}
	return kept, nil
}

// isSettingName tells whether a name can stand in front of a value: an identifier, or two with a dot between.
func isSettingName(name string) bool {
	x := confLexer{text: []byte(name)}
	t := x.next()
	word := t.kind == tokenID || t.kind == tokenQualifiedID
	return word && len(t.text) == len(name) && !isDirective(strings.ToLower(name))
}

// ReadConf reads a configuration file of a data directory. A missing file is an error that is fs.ErrNotExist.
func ReadConf(fsys vfs.FS, dir, name string) (*Conf, error) {
	path := filepath.Join(dir, name)
	text, err := readText(fsys, path)
	if err != nil {
		return nil, err
	}
	c, err := ParseConf(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

const autoConfHeader = "# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\n"

// SetAutoConf changes settings in postgresql.auto.conf; after a power cut either all of them are changed or none.
func SetAutoConf(fsys vfs.FS, dir string, settings ...Setting) error {
	return editAutoConf(fsys, dir, func(text []byte) ([]byte, error) { return SetConf(text, settings...) })
}

// ResetAutoConf removes settings from postgresql.auto.conf.
func ResetAutoConf(fsys vfs.FS, dir string, names ...string) error {
	return editAutoConf(fsys, dir, func(text []byte) ([]byte, error) { return ResetConf(text, names...) })
}

func editAutoConf(fsys vfs.FS, dir string, edit func([]byte) ([]byte, error)) error {
	path := filepath.Join(dir, AutoConfName)
	text, err := readText(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(autoConfHeader), nil
	}
	if err != nil {
		return err
	}
	edited, err := edit(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	perm, err := FileMode(fsys, dir)
	if err != nil {
		return err
	}
	return writeDurably(fsys, path, edited, perm)
}
