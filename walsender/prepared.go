// SPDX-License-Identifier: Apache-2.0

package walsender

import "github.com/walmirror/walmirror/walsender/pgsql"

// preparedSet is what a session has prepared by the extended query protocol.
type preparedSet struct {
	statements map[string]*prepared
	portals    map[string]*portal
	bytes      int // of the texts of statements and the parameters of portals
}

// prepared is a statement that Parse made; empty for a text without any.
type prepared struct {
	*statement
	size int
}

// portal is a statement with its parameters, which Bind made.
type portal struct {
	statement *statement
	args      []pgsql.Value
	formats   []int16 // of the columns
	size      int

	rows    [][]pgsql.Value // that are not sent yet
	tag     string
	started bool
}

// maxPrepared is how many statements and portals a session may have, maxPreparedBytes how large they may be together.
const (
	maxPrepared      = 2000
	maxPreparedBytes = 4 << 20
)

func (s *preparedSet) statement(name string) (*prepared, error) {
	if p := s.statements[name]; p != nil {
		return p, nil
	}
	if name == "" {
		return nil, errorf(codeInvalidStatementName, "unnamed prepared statement does not exist")
	}
	return nil, errorf(codeInvalidStatementName, "prepared statement %q does not exist", name)
}

func (s *preparedSet) portal(name string) (*portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, errorf(codeInvalidCursorName, "portal %q does not exist", name)
}

func (s *preparedSet) addStatement(name string, p *prepared) error {
	s.dropStatement(name)
	if err := s.room(p.size); err != nil {
		return err
	}
	if s.statements == nil {
		s.statements = map[string]*prepared{}
	}
	s.statements[name] = p
	return nil
}

func (s *preparedSet) addPortal(name string, p *portal) error {
	s.dropPortal(name)
	if err := s.room(p.size); err != nil {
		return err
	}
	if s.portals == nil {
		s.portals = map[string]*portal{}
	}
	s.portals[name] = p
	return nil
}

// room counts what comes in, and refuses what is too much.
func (s *preparedSet) room(size int) error {
	if len(s.statements)+len(s.portals) >= maxPrepared || s.bytes+size > maxPreparedBytes {
		return errorf(codeConfigurationLimit, "too many prepared statements")
	}
	s.bytes += size
	return nil
}

func (s *preparedSet) dropStatement(name string) {
	if p := s.statements[name]; p != nil {
		s.bytes -= p.size
		delete(s.statements, name)
	}
}

func (s *preparedSet) dropPortal(name string) {
	if p := s.portals[name]; p != nil {
		s.bytes -= p.size
		delete(s.portals, name)
	}
}
