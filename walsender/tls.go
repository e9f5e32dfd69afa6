// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/xdg-go/scram"

	"github.com/walmirror/walmirror/protocol"
)

// alpn is the name of the protocol inside of TLS, PG_ALPN_PROTOCOL. A connection that begins with TLS must name it.
const alpn = "postgresql"

// answerTLS answers an SSLRequest, and makes the connection one of TLS where that can be.
func (c *session) answerTLS() error {
	_, unix := remoteAddr(c.tcp.LocalAddr())
	if c.server.cfg.TLS == nil || unix || c.tls != nil {
		_, err := c.write([]byte{'N'})
		return err
	}
	if len(c.backend.Framer().Pending()) > 0 {
		e := fatalf(codeProtocolViolation, "received unencrypted data after SSL request")
		e.Detail = "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."
		return e
	}
	if _, err := c.write([]byte{'S'}); err != nil {
		return err
	}
	return c.handshake(c.tcp)
}

// beginsTLS tells whether what came in the place of a startup packet is the beginning of TLS (ProcessSSLStartup in
// backend_startup.c).
func (c *session) beginsTLS() bool {
	pending := c.backend.Framer().Pending()
	_, unix := remoteAddr(c.tcp.LocalAddr())
	return c.server.cfg.TLS != nil && !unix && c.tls == nil && len(pending) > 0 && pending[0] == 0x16
}

// directTLS makes a connection that began with TLS one of TLS.
func (c *session) directTLS() error {
	err := c.handshake(&unread{Conn: c.tcp, first: c.backend.Framer().Pending()})
	if err == nil && c.tls.NegotiatedProtocol != alpn {
		err = &connError{errNoALPN}
	}
	return err
}

// handshake talks TLS over conn from now on.
func (c *session) handshake(conn net.Conn) error {
	var leaf []byte
	secured := tls.Server(conn, connectionTLS(c.server.cfg.TLS, &leaf))
	if err := secured.HandshakeContext(c.ctx); err != nil {
		return &connError{err} // TLS itself has told the client
	}
	state := secured.ConnectionState()
	c.conn, c.tls, c.serverCert = secured, &state, leaf
	c.backend = protocol.NewBackend(secured)
	return nil
}

// connectionTLS is the configuration for one connection: a copy that notes the certificate that was shown to the
// client, in *leaf, which the channel is bound to.
func connectionTLS(base *tls.Config, leaf *[]byte) *tls.Config {
	cfg := base.Clone()
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientCAs != nil && cfg.ClientAuth == tls.NoClientCert {
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
	}
	cfg.NextProtos = []string{alpn}
	cfg.SessionTicketsDisabled = true // a resumed session shows no certificate
	cfg.Certificates = nil
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := pickCertificate(base, hello)
		if err == nil && len(cert.Certificate) > 0 {
			*leaf = cert.Certificate[0]
		}
		return cert, err
	}
	return cfg
}

// pickCertificate chooses as crypto/tls does.
func pickCertificate(cfg *tls.Config, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cfg.GetCertificate != nil && (len(cfg.Certificates) == 0 || hello.ServerName != "") {
		if cert, err := cfg.GetCertificate(hello); cert != nil || err != nil {
			return cert, err
		}
	}
	if len(cfg.Certificates) == 0 {
		return nil, errNoCertificate
	}
	for i := range cfg.Certificates {
		if hello.SupportsCertificate(&cfg.Certificates[i]) == nil {
			return &cfg.Certificates[i], nil
		}
	}
	return &cfg.Certificates[0], nil
}

// channelBinding is what a client binds its password to: the hash of the server's certificate. ok is false without TLS
// and for a certificate whose signature has no hash.
func (c *session) channelBinding() (b scram.ChannelBinding, ok bool) {
	if c.tls == nil || c.serverCert == nil {
		return b, false
	}
	cert, err := x509.ParseCertificate(c.serverCert)
	if err != nil {
		return b, false
	}
	b, err = scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}})
	return b, err == nil
}

// unread is a connection of which the first bytes were read already.
type unread struct {
	net.Conn
	first []byte
}

func (u *unread) Read(p []byte) (int, error) {
	if len(u.first) > 0 {
		n := copy(p, u.first)
		u.first = u.first[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}
