// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"github.com/walmirror/walmirror/xlog"
)

// Parse reads a command as any of the servers from PostgreSQL 12 to 18, Greenplum 7 and Cloudberry does; words that only
// some of them reserve are not reserved. Text that begins with no command is an SQL. The error is an *Error with the
// SQLSTATE that a server sends.
func Parse(text string) (Command, error) { return Server{}.Parse(text) }

// Parse reads a command as this server does. Commands that came with a later version are an SQL to it, as they are to
// that server.
func (s Server) Parse(text string) (Command, error) {
	p := parser{scanner{server: s, rest: text}}
	err := p.advance()
	if err != nil && p.openQuote() {
		return nil, err
	}
	if err != nil || p.tok.kind != tokenKeyword || commands[p.tok.text] == nil {
		return SQL{Text: text}, nil
	}
	command := commands[p.tok.text]
	if err := p.advance(); err != nil {
		return nil, err
	}
	cmd, err := command(&p)
	if err != nil {
		return nil, err
	}
	if _, err := p.acceptChar(";"); err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.syntaxError()
	}
	return cmd, nil
}

// parser reads commands by recursive descent: the current token is the first that has not been consumed.
type parser struct {
	scanner
}

// commands has a parser for what follows each command's first word. Words that are no keyword of the server never get
// here.
var commands map[string]func(*parser) (Command, error)

func init() {
	commands = map[string]func(*parser) (Command, error){
		"IDENTIFY_SYSTEM":         func(*parser) (Command, error) { return IdentifySystem{}, nil },
		"UPLOAD_MANIFEST":         func(*parser) (Command, error) { return UploadManifest{}, nil },
		"SHOW":                    parseShow,
		"TIMELINE_HISTORY":        parseTimelineHistory,
		"START_REPLICATION":       parseStartReplication,
		"READ_REPLICATION_SLOT":   parseReadSlot,
		"DROP_REPLICATION_SLOT":   parseDropSlot,
		"CREATE_REPLICATION_SLOT": parseCreateSlot,
		"ALTER_REPLICATION_SLOT":  parseAlterSlot,
		"BASE_BACKUP":             parseBaseBackup,
	}
}

func (p *parser) syntaxError() error { return syntaxError("syntax error") }

// acceptWord consumes a keyword if it is the current token.
func (p *parser) acceptWord(word string) (bool, error) {
	if p.tok.kind != tokenKeyword || p.tok.text != word {
		return false, nil
	}
	return true, p.advance()
}

// acceptChar consumes a character if it is the current token.
func (p *parser) acceptChar(c string) (bool, error) {
	if p.tok.kind != tokenChar || p.tok.text != c {
		return false, nil
	}
	return true, p.advance()
}

// expect consumes a token of one kind and returns it.
func (p *parser) expect(kind tokenKind) (token, error) {
	t := p.tok
	if t.kind != kind {
		return token{}, p.syntaxError()
	}
	return t, p.advance()
}

func (p *parser) identifier() (string, error) {
	t, err := p.expect(tokenIdent)
	return t.text, err
}

// name reads an identifier with parts separated by dots.
func (p *parser) name() (string, error) {
	name, err := p.identifier()
	for err == nil {
		dot, dotErr := p.acceptChar(".")
		if dotErr != nil || !dot {
			return name, dotErr
		}
		var part string
		part, err = p.identifier()
		name += "." + part
	}
	return "", err
}

func (p *parser) timeline() (xlog.TimelineID, error) {
	t, err := p.expect(tokenNumber)
	if err == nil && t.number == 0 {
		err = syntaxError("invalid timeline 0")
	}
	return xlog.TimelineID(t.number), err
}

func parseShow(p *parser) (Command, error) {
	name, err := p.name()
	return Show{Name: name}, err
}

func parseReadSlot(p *parser) (Command, error) {
	name, err := p.name()
	return ReadReplicationSlot{Slot: name}, err
}

func parseTimelineHistory(p *parser) (Command, error) {
	t, err := p.timeline()
	return TimelineHistory{Timeline: t}, err
}

func parseDropSlot(p *parser) (Command, error) {
	slot, err := p.identifier()
	if err != nil {
		return nil, err
	}
	wait, err := p.acceptWord("WAIT")
	return DropReplicationSlot{Slot: slot, Wait: wait}, err
}

func parseStartReplication(p *parser) (Command, error) {
	var cmd StartReplication
	slot, err := p.acceptWord("SLOT")
	if err == nil && slot {
		cmd.Slot, err = p.identifier()
	}
	if err != nil {
		return nil, err
	}
	if slot && p.tok.kind == tokenKeyword && p.tok.text == "LOGICAL" {
		return parseStartLogical(p, cmd.Slot)
	}
	if _, err := p.acceptWord("PHYSICAL"); err != nil {
		return nil, err
	}
	t, err := p.expect(tokenLSN)
	if err != nil {
		return nil, err
	}
	cmd.Start = t.lsn
	timeline, err := p.acceptWord("TIMELINE")
	if err == nil && timeline {
		cmd.Timeline, err = p.timeline()
	}
	return cmd, err
}

func parseStartLogical(p *parser, slot string) (Command, error) {
	cmd := StartLogicalReplication{Slot: slot}
	if err := p.advance(); err != nil {
		return nil, err
	}
	t, err := p.expect(tokenLSN)
	if err != nil {
		return nil, err
	}
	cmd.Start = t.lsn
	open, err := p.acceptChar("(")
	if err != nil || !open {
		return cmd, err
	}
	cmd.Options, err = parseList(p, parsePluginOption)
	return cmd, err
}

func parsePluginOption(p *parser) (o PluginOption, err error) {
	if o.Name, err = p.identifier(); err != nil {
		return o, err
	}
	if p.tok.kind == tokenString {
		o.Value, o.HasValue = p.tok.text, true
		err = p.advance()
	}
	return o, err
}

// parseList reads elements separated by commas up to the closing parenthesis; the opening one is consumed already.
func parseList[T any](p *parser, element func(*parser) (T, error)) ([]T, error) {
	var list []T
	for {
		e, err := element(p)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if comma, err := p.acceptChar(","); err != nil {
			return nil, err
		} else if comma {
			continue
		}
		closed, err := p.acceptChar(")")
		if err == nil && !closed {
			err = p.syntaxError()
		}
		return list, err
	}
}
