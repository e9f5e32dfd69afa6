// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"strings"

	"github.com/walmirror/walmirror/xlog"
)

// FlavourOf tells the flavour from what SELECT version() or a similar text says.
func FlavourOf(version string) xlog.Flavour {
	switch {
	case strings.Contains(version, "Cloudberry"):
		return xlog.Cloudberry
	case strings.Contains(version, "Greenplum"):
		return xlog.Greenplum
	}
	return xlog.PostgreSQL
}

// Server says which server's dialect of the commands is meant. The zero value stands for the newest PostgreSQL when a
// command is printed, and for any server when one is parsed.
type Server struct {
	Version int // server_version_num, for example 150004; that of the PostgreSQL underneath for the other flavours
	Flavour xlog.Flavour
}

// Major is the major version, 0 when it is not known.
func (s Server) Major() int { return s.Version / 10000 }

// atLeast tells whether the server has what came with a major version.
func (s Server) atLeast(major int) bool { return s.Version == 0 || s.Major() >= major }

// optionLists tells whether the server takes options as a list in parentheses. Such a server also sends a base backup
// as one framed COPY instead of one COPY for each archive.
func (s Server) optionLists() bool { return s.atLeast(15) }

// hasExclude tells whether BASE_BACKUP knows EXCLUDE.
func (s Server) hasExclude() bool { return s.Flavour == xlog.Greenplum || s.Flavour == xlog.Cloudberry }
