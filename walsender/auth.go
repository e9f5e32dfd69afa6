// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/walmirror/walmirror/protocol"
)

var (
	errNoALPN        = errors.New("received direct SSL connection request without ALPN protocol negotiation extension")
	errNoCertificate = errors.New("no certificate is configured for TLS")
)

// access is who may come in.
type access struct {
	hba   *HBA
	users *Users
}

// SetAccess changes the host rules and the users for the connections that come from now on; nil is as in Config.
func (s *Server) SetAccess(hba *HBA, users *Users) {
	if hba == nil {
		hba = defaultHBA(users)
	}
	if users == nil {
		users, _ = NewUsers(nil)
	}
	s.access.Store(&access{hba, users})
}

// authenticate lets the client in, or says why not (ClientAuthentication in src/backend/libpq/auth.c). A client that is
// refused hears that only after a while, so that guessing takes long.
func (c *session) authenticate() error {
	err := c.checkAccess(c.server.access.Load())
	if errors.Is(err, os.ErrDeadlineExceeded) && c.ctx.Err() == nil {
		return fatalf(codeQueryCanceled, "canceling authentication due to timeout")
	}
	if e, ok := errors.AsType[*protocol.Error](err); ok && strings.HasPrefix(e.Code, "28") {
		c.delay()
	}
	return err
}

// delay waits for AuthDelay.
func (c *session) delay() {
	timer := time.NewTimer(c.server.cfg.AuthDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

func (c *session) checkAccess(a *access) error {
	at := c.attempt()
	r := a.hba.match(at)
	if r == nil || r.method == methodReject {
		return c.noAccess(at, r)
	}
	if err := c.checkCertificate(r); err != nil {
		return err
	}
	if r.method == methodSCRAM {
		err := c.scramExchange(a.users)
		if err == errPassword {
			return fatalf(codeInvalidPassword, "password authentication failed for user %q", c.user)
		}
		return err
	}
	return nil
}

// attempt is the connection as host rules see it.
func (c *session) attempt() attempt {
	remote, local := remoteAddr(c.tcp.RemoteAddr())
	if _, unix := remoteAddr(c.tcp.LocalAddr()); unix {
		local = true
	}
	return attempt{
		remote: remote, local: local, tls: c.tls != nil,
		user: c.user, database: c.database, physical: c.replication == physical,
	}
}

// noAccess says that a rule rejects the connection, or that no rule fits.
func (c *session) noAccess(at attempt, r *rule) error {
	host, encryption := "[local]", "no encryption"
	if !at.local {
		host = at.remote.String()
	}
	if at.tls {
		encryption = "SSL encryption"
	}
	switch {
	case r != nil && at.physical:
		return fatalf(codeInvalidAuthorization,
			"pg_hba.conf rejects replication connection for host %q, user %q, %s", host, at.user, encryption)
	case r != nil:
		return fatalf(codeInvalidAuthorization,
			"pg_hba.conf rejects connection for host %q, user %q, database %q, %s", host, at.user, at.database, encryption)
	case at.physical:
		return fatalf(codeInvalidAuthorization,
			"no pg_hba.conf entry for replication connection from host %q, user %q, %s", host, at.user, encryption)
	}
	return fatalf(codeInvalidAuthorization,
		"no pg_hba.conf entry for host %q, user %q, database %q, %s", host, at.user, at.database, encryption)
}

// checkCertificate checks the client's certificate as far as a rule asks for one (CheckCertAuth). That it verifies was
// checked by TLS.
func (c *session) checkCertificate(r *rule) error {
	if r.cert == certOff {
		return nil
	}
	cert := c.clientCertificate()
	if cert == nil {
		return fatalf(codeInvalidAuthorization, "connection requires a valid client certificate")
	}
	name := cert.Subject.CommonName
	if r.certDN {
		name = cert.Subject.String()
	}
	if r.cert == certFull && (name == "" || name != c.user) {
		return fatalf(codeInvalidAuthorization, "certificate authentication failed for user %q", c.user)
	}
	return nil
}

// clientCertificate is the client's certificate, if it showed one that verifies.
func (c *session) clientCertificate() *x509.Certificate {
	if c.tls == nil || len(c.tls.VerifiedChains) == 0 {
		return nil
	}
	return c.tls.PeerCertificates[0]
}
