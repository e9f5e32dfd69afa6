// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// HBA are the rules by which clients are let in, in the syntax of pg_hba.conf (src/backend/libpq/hba.c). The first rule
// that fits a connection decides. It is immutable.
//
//	# type     database      user     address         method
//	local      all           all                      trust
//	hostssl    replication   mirror   10.0.0.0/8      scram-sha-256  clientcert=verify-ca
//	host       all           all      all             reject
//
// Types are local, host, hostssl, hostnossl and hostnogssenc; databases are names, all, sameuser and replication, which
// alone fits physical replication; users are names and all; addresses are all, samehost, samenet, ADDRESS/BITS or
// ADDRESS MASK; methods are trust, reject, scram-sha-256, md5, which is the same here, and cert; options are clientcert
// and clientname. Anything else is an error.
type HBA struct {
	rules []rule
}

type connType uint8

const (
	connLocal connType = iota // a unix socket
	connHost
	connHostSSL
	connHostNoSSL
)

type authMethod uint8

const (
	methodReject authMethod = iota
	methodTrust
	methodSCRAM
	methodCert
)

type clientCert uint8

const (
	certOff  clientCert = iota
	certCA              // a certificate that verifies
	certFull            // and names the user
)

type rule struct {
	line      int
	conn      connType
	databases []word
	users     []word
	address   addressSet // but for connLocal
	method    authMethod
	cert      clientCert
	certDN    bool // the user is the certificate's whole subject, not its common name
}

// HBAOptions says what host rules may say.
type HBAOptions struct {
	// TrustRemote allows trust for clients of other machines. Without it such a rule is an error.
	TrustRemote bool
}

// LoadHBA reads a file of host rules.
func LoadHBA(name string, opts HBAOptions) (*HBA, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	h, err := ParseHBA(string(text), opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}

// ParseHBA reads the text of a file of host rules.
func ParseHBA(text string, opts HBAOptions) (*HBA, error) {
	h := new(HBA)
	lines, numbers := joinContinued(text)
	for i, line := range lines {
		fields, err := tokenize(line)
		if err == nil && len(fields) == 0 {
			continue
		}
		var r rule
		if err == nil {
			r, err = parseRule(fields, opts)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrConfig, numbers[i], err)
		}
		r.line = numbers[i]
		h.rules = append(h.rules, r)
	}
	return h, nil
}

// defaultHBA is what counts without rules: this machine's clients are trusted and all others are refused; where there
// are users, everybody needs a password.
func defaultHBA(users *Users) *HBA {
	text := "local all,replication all trust\n" +
		"host all,replication all 127.0.0.0/8 trust\n" +
		"host all,replication all ::1/128 trust\n"
	if users != nil {
		text = "local all,replication all scram-sha-256\n" + "host all,replication all all scram-sha-256\n"
	}
	h, err := ParseHBA(text, HBAOptions{})
	if err != nil {
		panic(err) // the text is a constant
	}
	return h
}

// attempt is what rules are about.
type attempt struct {
	remote   netip.Addr // not valid for a unix socket
	local    bool       // a unix socket
	tls      bool
	user     string
	database string
	physical bool // replication without a database
}

// match is the first rule that fits; nil when none does (check_hba in hba.c).
func (h *HBA) match(a attempt) *rule {
	for i := range h.rules {
		if r := &h.rules[i]; r.matches(a) {
			return r
		}
	}
	return nil
}

func (r *rule) matches(a attempt) bool {
	if a.local != (r.conn == connLocal) {
		return false
	}
	if a.tls && r.conn == connHostNoSSL || !a.tls && r.conn == connHostSSL {
		return false
	}
	return (a.local || r.address.contains(a.remote)) && r.matchesDatabase(a) && r.matchesUser(a.user)
}

// matchesDatabase is check_db of hba.c.
func (r *rule) matchesDatabase(a attempt) bool {
	return slices.ContainsFunc(r.databases, func(w word) bool {
		switch {
		case a.physical:
			return w.is("replication")
		case w.is("replication"):
			return false
		case w.is("all"):
			return true
		case w.is("sameuser"):
			return a.database == a.user
		}
		return w.text == a.database
	})
}

func (r *rule) matchesUser(user string) bool {
	return slices.ContainsFunc(r.users, func(w word) bool { return w.is("all") || w.text == user })
}

// addressSet is a set of addresses.
type addressSet struct {
	kind   addressKind
	prefix netip.Prefix
}

type addressKind uint8

const (
	addressPrefix addressKind = iota
	addressAll
	addressSameHost
	addressSameNet
)

func (s addressSet) contains(a netip.Addr) bool {
	switch s.kind {
	case addressAll:
		return true
	case addressPrefix:
		return s.prefix.Contains(a)
	}
	return a.IsValid() && onThisMachine(a, s.kind == addressSameNet)
}

// loopback tells whether the set has nothing but addresses of this machine.
func (s addressSet) loopback() bool {
	switch s.kind {
	case addressSameHost:
		return true
	case addressPrefix:
		least := 8
		if s.prefix.Addr().Is6() {
			least = 128
		}
		return s.prefix.Addr().IsLoopback() && s.prefix.Bits() >= least
	}
	return false
}

// onThisMachine tells whether an address is one of this machine, or in one of its networks (check_same_host_or_net).
func onThisMachine(a netip.Addr, networks bool) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(i net.Addr) bool {
		p, err := netip.ParsePrefix(i.String())
		return err == nil && (p.Addr() == a || networks && p.Masked().Contains(a))
	})
}

// remoteAddr is the address of the other end; local for a unix socket. IPv4 inside IPv6 is IPv4.
func remoteAddr(a net.Addr) (remote netip.Addr, local bool) {
	switch a := a.(type) {
	case *net.UnixAddr:
		return netip.Addr{}, true
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone(""), false
	}
	host, _, _ := strings.Cut(a.String(), ":")
	remote, _ = netip.ParseAddr(host)
	return remote, false
}
