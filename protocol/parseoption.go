// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"fmt"
	"strconv"
	"strings"
)

// option is one of the options of a command: a name in lower case and perhaps a value (DefElem).
type option struct {
	name  string
	value token // tokenEnd: none
}

// parseOption reads an option in a list: a word, reserved or not, and perhaps an identifier, a string or a number.
func parseOption(p *parser) (o option, err error) {
	switch p.tok.kind {
	case tokenIdent:
		o.name = p.tok.text
	case tokenKeyword:
		o.name = strings.ToLower(p.tok.text)
	default:
		return o, p.syntaxError()
	}
	if err := p.advance(); err != nil {
		return o, err
	}
	switch p.tok.kind {
	case tokenIdent, tokenString, tokenNumber:
		o.value = p.tok
		err = p.advance()
	}
	return o, err
}

// boolean reads the value as defGetBoolean does.
func (o option) boolean() (bool, error) {
	switch v := o.value; {
	case v.kind == tokenEnd:
		return true, nil
	case v.kind == tokenNumber && v.number <= 1:
		return v.number == 1, nil
	case v.kind == tokenNumber:
	case strings.EqualFold(v.text, "true"), strings.EqualFold(v.text, "on"):
		return true, nil
	case strings.EqualFold(v.text, "false"), strings.EqualFold(v.text, "off"):
		return false, nil
	}
	return false, syntaxError(o.name + " requires a Boolean value")
}

// text reads the value as defGetString does.
func (o option) text() (string, error) {
	switch o.value.kind {
	case tokenEnd:
		return "", syntaxError(o.name + " requires a parameter")
	case tokenNumber:
		return strconv.FormatUint(uint64(o.value.number), 10), nil
	}
	return o.value.text, nil
}

// number reads the value as defGetInt64 does.
func (o option) number() (uint32, error) {
	if o.value.kind != tokenNumber {
		return 0, syntaxError(o.name + " requires a numeric value")
	}
	return o.value.number, nil
}

// optionSetter stores the value of an option.
type optionSetter func(o option) error

func setBool(dst *bool) optionSetter {
	return func(o option) (err error) {
		*dst, err = o.boolean()
		return err
	}
}

// setNot stores the opposite.
func setNot(dst *bool) optionSetter {
	return func(o option) error {
		v, err := o.boolean()
		*dst = !v
		return err
	}
}

func setOptionalBool(dst **bool) optionSetter {
	return func(o option) error {
		v, err := o.boolean()
		*dst = &v
		return err
	}
}

func setText(dst *string) optionSetter {
	return func(o option) (err error) {
		*dst, err = o.text()
		return err
	}
}

// apply gives each option to the setter of its name. An option must be known and be given once.
func apply(options []option, setters map[string]optionSetter) error {
	seen := map[string]bool{}
	for _, o := range options {
		set := setters[o.name]
		switch {
		case set == nil:
			return syntaxError(fmt.Sprintf("unrecognized option %q", o.name))
		case seen[o.name]:
			return syntaxError(fmt.Sprintf("duplicate option %q", o.name))
		}
		seen[o.name] = true
		if err := set(o); err != nil {
			return err
		}
	}
	return nil
}

func parseCreateSlot(p *parser) (Command, error) {
	var cmd CreateReplicationSlot
	var err error
	if cmd.Slot, err = p.identifier(); err != nil {
		return nil, err
	}
	if cmd.Temporary, err = p.acceptWord("TEMPORARY"); err != nil {
		return nil, err
	}
	if err := cmd.parseKind(p); err != nil {
		return nil, err
	}
	options, err := parseSlotOptions(p)
	if err != nil {
		return nil, err
	}
	err = cmd.apply(p.server, options)
	return cmd, err
}

func (c *CreateReplicationSlot) parseKind(p *parser) error {
	physical, err := p.acceptWord("PHYSICAL")
	if physical || err != nil {
		return err
	}
	logical, err := p.acceptWord("LOGICAL")
	if err == nil && !logical {
		err = p.syntaxError()
	}
	if err != nil {
		return err
	}
	c.Plugin, err = p.identifier()
	if err == nil && c.Plugin == "" {
		err = syntaxError("empty output plugin")
	}
	return err
}

// parseSlotOptions reads a list in parentheses or words.
func parseSlotOptions(p *parser) ([]option, error) {
	if p.server.optionLists() {
		if open, err := p.acceptChar("("); err != nil {
			return nil, err
		} else if open {
			return parseList(p, parseOption)
		}
	}
	var options []option
	for p.tok.kind == tokenKeyword {
		o, ok := slotWords[p.tok.text]
		if !ok {
			break
		}
		options = append(options, o)
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// slotWords are the options of CREATE_REPLICATION_SLOT as words, and what they mean in a list.
var slotWords = map[string]option{
	"EXPORT_SNAPSHOT":   {"snapshot", token{kind: tokenString, text: "export"}},
	"NOEXPORT_SNAPSHOT": {"snapshot", token{kind: tokenString, text: "nothing"}},
	"USE_SNAPSHOT":      {"snapshot", token{kind: tokenString, text: "use"}},
	"RESERVE_WAL":       {name: "reserve_wal"},
	"TWO_PHASE":         {name: "two_phase"},
}

func (c *CreateReplicationSlot) apply(s Server, options []option) error {
	setters := map[string]optionSetter{"reserve_wal": setBool(&c.ReserveWAL)}
	if c.Plugin != "" {
		setters = map[string]optionSetter{
			"snapshot":  c.setSnapshot,
			"two_phase": setBool(&c.TwoPhase),
		}
		if s.atLeast(17) {
			setters["failover"] = setBool(&c.Failover)
		}
	}
	return apply(options, setters)
}

func (c *CreateReplicationSlot) setSnapshot(o option) error {
	action, err := o.text()
	if err != nil {
		return err
	}
	switch c.Snapshot = Snapshot(action); c.Snapshot {
	case SnapshotExport, SnapshotNothing, SnapshotUse:
		return nil
	}
	return optionError(codeInvalidValue, "unrecognized value for snapshot: %q", action)
}

func parseAlterSlot(p *parser) (Command, error) {
	var cmd AlterReplicationSlot
	var err error
	if cmd.Slot, err = p.identifier(); err != nil {
		return nil, err
	}
	open, err := p.acceptChar("(")
	if err == nil && !open {
		err = p.syntaxError()
	}
	if err != nil {
		return nil, err
	}
	options, err := parseList(p, parseOption)
	if err != nil {
		return nil, err
	}
	setters := map[string]optionSetter{"failover": setOptionalBool(&cmd.Failover)}
	if p.server.atLeast(18) {
		setters["two_phase"] = setOptionalBool(&cmd.TwoPhase)
	}
	err = apply(options, setters)
	return cmd, err
}

func optionError(code, format string, args ...any) error {
	return &Error{LocalizedSeverity: "ERROR", Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...)}
}
