// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"maps"
	"strings"

	"github.com/walmirror/walmirror/walsender/pgsql"
)

// parseShow reads what comes after SHOW.
func (c *session) parseShow(p *pgsql.Parser) (*statement, error) {
	name, err := parseSettingName(p)
	if err != nil {
		return nil, err
	}
	if !p.Ends() {
		return nil, p.Unexpected()
	}
	check := func() error {
		if _, ok := c.setting(name); !ok {
			return unrecognizedSetting(name)
		}
		return nil
	}
	run := func(context.Context, []pgsql.Value) ([][]pgsql.Value, string, error) {
		value, _ := c.setting(name)
		return [][]pgsql.Value{{value}}, "SHOW", nil
	}
	columns := []pgsql.Column{{Name: settingName(name), Type: pgsql.Text, Typmod: -1}}
	return &statement{columns: columns, check: check, run: run}, nil
}

// settingName reads the name of a setting, such as a or a.b.
func parseSettingName(p *pgsql.Parser) (string, error) {
	name, err := p.Identifier()
	if err != nil {
		return "", err
	}
	switch {
	case name == "time" && p.Next.Is("zone"):
		return "TimeZone", p.Advance()
	case p.Next.Is("."):
		if err := p.Advance(); err != nil {
			return "", err
		}
		more, err := p.Identifier()
		return name + "." + more, err
	}
	return name, nil
}

// parseSet reads what comes after SET. What it says about transactions does nothing.
func (c *session) parseSet(p *pgsql.Parser) (*statement, error) {
	for p.Next.Is("session") || p.Next.Is("local") {
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	if p.Next.Is("transaction") || p.Next.Is("characteristics") {
		return ignored(p, "SET")
	}
	name, err := parseSettingName(p)
	if err != nil {
		return nil, err
	}
	if name != "TimeZone" {
		if !p.Next.Is("to") && !p.Next.Is("=") {
			return nil, p.Unexpected()
		}
		if err := p.Advance(); err != nil {
			return nil, err
		}
	}
	isDefault := p.Next.Is("default")
	value, err := parseSettingValue(p)
	if err != nil {
		return nil, err
	}
	set := func() error { return c.setLater(name, value) }
	if isDefault {
		set = func() error { return c.reset(name) }
	}
	return doing(set, "SET"), nil
}

// settingValue reads a value, or several with commas between them.
func parseSettingValue(p *pgsql.Parser) (string, error) {
	if p.Ends() {
		return "", p.Unexpected()
	}
	var value strings.Builder
	for !p.Ends() {
		switch p.Next.Kind {
		case pgsql.Word, pgsql.Quoted, pgsql.String, pgsql.Integer, pgsql.Decimal, '-', '.':
			value.WriteString(p.Next.Text)
		case ',':
			value.WriteString(", ")
		default:
			return "", p.Unexpected()
		}
		if err := p.Advance(); err != nil {
			return "", err
		}
	}
	return value.String(), nil
}

// parseReset reads what comes after RESET.
func (c *session) parseReset(p *pgsql.Parser) (*statement, error) {
	name, err := parseSettingName(p)
	if err != nil {
		return nil, err
	}
	if !p.Ends() {
		return nil, p.Unexpected()
	}
	return doing(func() error { return c.reset(name) }, "RESET"), nil
}

// doing is a statement without a result.
func doing(f func() error, tag string) *statement {
	return &statement{run: func(context.Context, []pgsql.Value) ([][]pgsql.Value, string, error) { return nil, tag, f() }}
}

// setLater is SET. Settings that say how values are sent have one value here, and stay as they are.
func (c *session) setLater(name, value string) error {
	name = settingName(name)
	if _, ok := c.server.setting(name); ok {
		return errorf(codeCannotChange, "parameter %q cannot be changed", name)
	}
	if _, ok := c.setting(name); !ok && !strings.Contains(name, ".") {
		return unrecognizedSetting(name)
	}
	if c.initial == nil {
		c.initial = maps.Clone(c.settings)
	}
	if err := c.setAtStart(name, value); err != nil {
		return errorf(codeConfigurationLimit, "%s", err)
	}
	return c.reported(name)
}

// reset is RESET: a setting becomes what it was at the start of the session.
func (c *session) reset(name string) error {
	name = settingName(name)
	if _, ok := c.setting(name); !ok && name != "all" {
		return unrecognizedSetting(name)
	}
	if c.initial == nil {
		return nil
	}
	before := maps.Clone(c.settings)
	if name == "all" {
		c.settings = maps.Clone(c.initial)
	} else {
		c.restore(name)
	}
	for name, value := range before {
		if c.settings[name] != value {
			if err := c.reported(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *session) restore(name string) {
	delete(c.settings, name)
	if value, ok := c.initial[name]; ok {
		c.settings[name] = value
	}
}
