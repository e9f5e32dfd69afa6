// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// ErrStartupLayout says that the parameters of a startup packet have no end, or something behind it. It also is an
// ErrProtocol.
var ErrStartupLayout = fmt.Errorf("%w: startup packet without its end", ErrProtocol)

// A StartupPacket is the first packet of a client: a *Startup, *CancelRequest, SSLRequest or GSSEncRequest.
type StartupPacket interface{ startupPacket() }

// SSLRequest asks for TLS. It is answered by one byte, 'S' or 'N'.
type SSLRequest struct{}

// GSSEncRequest asks for encryption by GSSAPI. It is answered by one byte, 'G' or 'N'.
type GSSEncRequest struct{}

// CancelRequest asks that what another connection does be cancelled. It is not answered.
type CancelRequest struct {
	ProcessID uint32
	SecretKey []byte // from 1 to 256 bytes; 4 before protocol 3.2
}

// Startup begins a session.
type Startup struct {
	Version    ProtocolVersion
	Parameters []Parameter // in the client's order; a name may come twice
	Options    []string    // names of protocol options, which begin with "_pq_."
}

// Parameter is a name and its value.
type Parameter struct{ Name, Value string }

// ProtocolVersion has the major version in the upper 16 bits and the minor one in the lower.
type ProtocolVersion uint32

// Versions of the protocol. 3.2 came with PostgreSQL 18; its key of cancellation may have another length than 4.
const (
	Protocol30 ProtocolVersion = 3 << 16
	Protocol32 ProtocolVersion = 3<<16 | 2
)

// Major is the major version.
func (v ProtocolVersion) Major() uint16 { return uint16(v >> 16) }

// Minor is the minor version.
func (v ProtocolVersion) Minor() uint16 { return uint16(v) }

// Codes in the place of a version (src/include/libpq/pqcomm.h).
const (
	codeCancel = 1234<<16 | 5678
	codeSSL    = 1234<<16 | 5679
	codeGSSEnc = 1234<<16 | 5680
)

const maxSecretKey = 256

func (SSLRequest) startupPacket()     {}
func (GSSEncRequest) startupPacket()  {}
func (*CancelRequest) startupPacket() {}
func (*Startup) startupPacket()       {}

// Get is the last value that was given for a name.
func (s *Startup) Get(name string) (value string, ok bool) {
	for _, p := range s.Parameters {
		if p.Name == name {
			value, ok = p.Value, true
		}
	}
	return value, ok
}

// parseStartup reads a packet behind its length, as ProcessStartupPacket of postmaster.c (backend_startup.c from 17 on)
// does. The result keeps nothing of it. Of a version whose major is not 3 only the version is read.
func parseStartup(packet []byte) (StartupPacket, error) {
	if len(packet) < 4 {
		return nil, fmt.Errorf("%w: startup packet of %d bytes", ErrProtocol, len(packet))
	}
	code, rest := binary.BigEndian.Uint32(packet), packet[4:]
	switch code {
	case codeSSL:
		return SSLRequest{}, nil
	case codeGSSEnc:
		return GSSEncRequest{}, nil
	case codeCancel:
		return parseCancel(rest)
	}
	s := &Startup{Version: ProtocolVersion(code)}
	if s.Version.Major() != Protocol30.Major() {
		return s, nil
	}
	return s, s.parse(rest)
}

func parseCancel(rest []byte) (StartupPacket, error) {
	key := len(rest) - 4
	if key < 1 || key > maxSecretKey {
		return nil, fmt.Errorf("%w: cancel request of %d bytes", ErrProtocol, len(rest)+4)
	}
	return &CancelRequest{ProcessID: binary.BigEndian.Uint32(rest), SecretKey: bytes.Clone(rest[4:])}, nil
}

// parse reads names and values, each with a NUL behind it, and the NUL at the end.
func (s *Startup) parse(rest []byte) error {
	for {
		name, behind, ok := bytes.Cut(rest, []byte{0})
		if !ok || len(name) == 0 {
			break
		}
		value, behind, ok := bytes.Cut(behind, []byte{0})
		if !ok {
			break
		}
		rest = behind
		if strings.HasPrefix(string(name), "_pq_.") {
			s.Options = append(s.Options, string(name))
		} else {
			s.Parameters = append(s.Parameters, Parameter{string(name), string(value)})
		}
	}
	if len(rest) != 1 || rest[0] != 0 {
		return ErrStartupLayout
	}
	return nil
}

// AppendNegotiateVersion appends a NegotiateProtocolVersion message: the newest version that the server speaks and the
// protocol options that it does not know.
func AppendNegotiateVersion(dst []byte, v ProtocolVersion, unknown []string) []byte {
	start := len(dst)
	dst = append(dst, 'v', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(v))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(unknown)))
	for _, name := range unknown {
		dst = append(append(dst, name...), 0)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}

// AppendBackendKeyData appends a BackendKeyData message: what a CancelRequest for this session must contain. pgproto3
// knows only keys of 4 bytes.
func AppendBackendKeyData(dst []byte, processID uint32, key []byte) []byte {
	dst = append(dst, 'K')
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+len(key)))
	dst = binary.BigEndian.AppendUint32(dst, processID)
	return append(dst, key...)
}
