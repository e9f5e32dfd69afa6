// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"maps"
	"strings"

	"github.com/walmirror/walmirror/protocol"
)

// parseShow reads what comes after SHOW.
func (c *session) parseShow(p *sqlParser) (*statement, error) {
	name, err := p.settingName()
	if err != nil {
		return nil, err
	}
	if !p.ends() {
		return nil, p.unexpected()
	}
	check := func() error {
		if _, ok := c.setting(name); !ok {
			return unrecognizedSetting(name)
		}
		return nil
	}
	run := func([]datum) ([][]datum, string, error) {
		value, _ := c.setting(name)
		return [][]datum{{value}}, "SHOW", nil
	}
	columns := []protocol.Column{{Name: settingName(name), TypeOID: oidText}}
	return &statement{columns: columns, check: check, run: run}, nil
}

// settingName reads the name of a setting, such as a or a.b.
func (p *sqlParser) settingName() (string, error) {
	name, err := p.identifier()
	if err != nil {
		return "", err
	}
	switch {
	case name == "time" && p.next.is("zone"):
		return "TimeZone", p.advance()
	case p.next.is("."):
		if err := p.advance(); err != nil {
			return "", err
		}
		more, err := p.identifier()
		return name + "." + more, err
	}
	return name, nil
}

// parseSet reads what comes after SET. What it says about transactions does nothing.
func (c *session) parseSet(p *sqlParser) (*statement, error) {
	for p.next.is("session") || p.next.is("local") {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if p.next.is("transaction") || p.next.is("characteristics") {
		return ignored(p, "SET")
	}
	name, err := p.settingName()
	if err != nil {
		return nil, err
	}
	if name != "TimeZone" {
		if !p.next.is("to") && !p.next.is("=") {
			return nil, p.unexpected()
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	isDefault := p.next.is("default")
	value, err := p.settingValue()
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
func (p *sqlParser) settingValue() (string, error) {
	if p.ends() {
		return "", p.unexpected()
	}
	var value strings.Builder
	for !p.ends() {
		switch p.next.kind {
		case sqlWord, sqlQuoted, sqlString, sqlNumber, '-', '.':
			value.WriteString(p.next.text)
		case ',':
			value.WriteString(", ")
		default:
			return "", p.unexpected()
		}
		if err := p.advance(); err != nil {
			return "", err
		}
	}
	return value.String(), nil
}

// parseReset reads what comes after RESET.
func (c *session) parseReset(p *sqlParser) (*statement, error) {
	name, err := p.settingName()
	if err != nil {
		return nil, err
	}
	if !p.ends() {
		return nil, p.unexpected()
	}
	return doing(func() error { return c.reset(name) }, "RESET"), nil
}

// doing is a statement without a result.
func doing(f func() error, tag string) *statement {
	return &statement{run: func([]datum) ([][]datum, string, error) { return nil, tag, f() }}
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
