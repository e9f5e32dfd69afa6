// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// parseRule reads the fields of a line (parse_hba_line in hba.c).
func parseRule(fields [][]word, opts HBAOptions) (r rule, err error) {
	p := ruleParser{fields: fields}
	if r.conn, err = p.connType(); err != nil {
		return r, err
	}
	if r.databases, err = p.names("database", databaseWord); err != nil {
		return r, err
	}
	if r.users, err = p.names("role", userWord); err != nil {
		return r, err
	}
	if r.conn != connLocal {
		if r.address, err = p.address(); err != nil {
			return r, err
		}
	}
	if r.method, err = p.method(); err != nil {
		return r, err
	}
	if err := p.options(&r); err != nil {
		return r, err
	}
	return r, r.check(opts)
}

// check refuses what does not go together.
func (r *rule) check(opts HBAOptions) error {
	switch {
	case r.method == methodCert && r.conn != connHostSSL:
		return errors.New("cert authentication is only supported on hostssl connections")
	case r.method == methodCert && r.cert == certCA:
		return errors.New(`clientcert only accepts "verify-full" when using "cert" authentication`)
	case r.method == methodTrust && r.conn != connLocal && !r.address.loopback() && !opts.TrustRemote:
		return errors.New("trust is only for loopback addresses and unix sockets")
	}
	if r.method == methodCert {
		r.cert = certFull
	}
	return nil
}

// ruleParser takes fields from the front.
type ruleParser struct {
	fields [][]word
}

// next takes the next field.
func (p *ruleParser) next(what string) ([]word, error) {
	if len(p.fields) == 0 {
		return nil, fmt.Errorf("end-of-line before %s", what)
	}
	f := p.fields[0]
	p.fields = p.fields[1:]
	return f, nil
}

// one takes a field that has one word.
func (p *ruleParser) one(what string) (word, error) {
	f, err := p.next(what)
	if err != nil {
		return word{}, err
	}
	if len(f) != 1 {
		return word{}, fmt.Errorf("multiple values specified for %s", what)
	}
	return f[0], nil
}

func (p *ruleParser) connType() (connType, error) {
	w, err := p.one("connection type")
	if err != nil {
		return 0, err
	}
	switch w.text {
	case "local":
		return connLocal, nil
	case "host", "hostnogssenc":
		return connHost, nil
	case "hostssl":
		return connHostSSL, nil
	case "hostnossl":
		return connHostNoSSL, nil
	}
	return 0, fmt.Errorf("invalid connection type %q", w.text)
}

// names takes a list of names, each of which check must not refuse.
func (p *ruleParser) names(what string, check func(word) error) ([]word, error) {
	words, err := p.next(what + " specification")
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		if err := check(w); err != nil {
			return nil, err
		}
	}
	return words, nil
}

func databaseWord(w word) error {
	if w.is("samegroup") || w.is("samerole") {
		return fmt.Errorf("%s is not supported", w.text)
	}
	return plainWord(w)
}

func userWord(w word) error {
	if !w.quoted && strings.HasPrefix(w.text, "+") {
		return errors.New("groups are not supported")
	}
	return plainWord(w)
}

// plainWord refuses regular expressions and names of files.
func plainWord(w word) error {
	if !w.quoted && (strings.HasPrefix(w.text, "/") || strings.HasPrefix(w.text, "@")) {
		return fmt.Errorf("%q: regular expressions and files of names are not supported", w.text)
	}
	return nil
}

func (p *ruleParser) address() (addressSet, error) {
	w, err := p.one("address")
	if err != nil {
		return addressSet{}, err
	}
	switch {
	case w.is("all"):
		return addressSet{kind: addressAll}, nil
	case w.is("samehost"):
		return addressSet{kind: addressSameHost}, nil
	case w.is("samenet"):
		return addressSet{kind: addressSameNet}, nil
	}
	if strings.Contains(w.text, "/") {
		prefix, err := netip.ParsePrefix(w.text)
		if err != nil {
			return addressSet{}, fmt.Errorf("invalid address %q", w.text)
		}
		return addressSet{prefix: prefix.Masked()}, nil
	}
	addr, err := netip.ParseAddr(w.text)
	if err != nil {
		return addressSet{}, fmt.Errorf("invalid IP address %q: host names are not supported", w.text)
	}
	return p.mask(addr)
}

// mask takes the netmask behind an address.
func (p *ruleParser) mask(addr netip.Addr) (addressSet, error) {
	w, err := p.one("netmask specification")
	if err != nil {
		return addressSet{}, err
	}
	mask, err := netip.ParseAddr(w.text)
	if err != nil {
		return addressSet{}, fmt.Errorf("invalid IP mask %q", w.text)
	}
	if mask.Is4() != addr.Is4() {
		return addressSet{}, errors.New("IP address and mask do not match")
	}
	bits, ok := maskBits(mask.AsSlice())
	if !ok {
		return addressSet{}, fmt.Errorf("invalid IP mask %q: its ones are not together", w.text)
	}
	prefix, err := addr.Prefix(bits)
	return addressSet{prefix: prefix}, err
}

// maskBits counts the ones of a mask; ok is false when a one follows a zero.
func maskBits(mask []byte) (bits int, ok bool) {
	ended := false
	for i := range 8 * len(mask) {
		one := mask[i/8]&(0x80>>(i%8)) != 0
		if one && ended {
			return 0, false
		}
		if one {
			bits++
		}
		ended = !one
	}
	return bits, true
}

func (p *ruleParser) method() (authMethod, error) {
	w, err := p.one("authentication method")
	if err != nil {
		return 0, err
	}
	switch w.text {
	case "trust":
		return methodTrust, nil
	case "reject":
		return methodReject, nil
	case "scram-sha-256", "md5":
		return methodSCRAM, nil
	case "cert":
		return methodCert, nil
	case "password", "gss", "sspi", "ident", "peer", "ldap", "radius", "pam", "bsd", "oauth":
		return 0, fmt.Errorf("authentication method %q is not supported", w.text)
	}
	return 0, fmt.Errorf("invalid authentication method %q", w.text)
}

// options takes what is left.
func (p *ruleParser) options(r *rule) error {
	for _, field := range p.fields {
		for _, w := range field {
			name, value, ok := strings.Cut(w.text, "=")
			if !ok {
				return fmt.Errorf("authentication option not in name=value format: %s", w.text)
			}
			if err := r.setOption(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rule) setOption(name, value string) error {
	if r.conn != connHostSSL && (name == "clientcert" || name == "clientname") {
		return fmt.Errorf(`%s can only be configured for "hostssl" rows`, name)
	}
	switch name + "=" + value {
	case "clientcert=verify-ca":
		r.cert = certCA
	case "clientcert=verify-full":
		r.cert = certFull
	case "clientname=CN":
		r.certDN = false
	case "clientname=DN":
		r.certDN = true
	default:
		if name == "clientcert" || name == "clientname" {
			return fmt.Errorf("invalid value for %s: %q", name, value)
		}
		return fmt.Errorf("unrecognized authentication option name: %q", name)
	}
	return nil
}
