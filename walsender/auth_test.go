// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// authority signs certificates for a test.
type authority struct {
	dir  string // files that the servers' user can read
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{dir: pgserver.TempDir(t)}
	a.cert, a.key = a.issue(t, "authority", nil)
	return a
}

// issue makes a certificate, signed by the authority or, without one, by itself, with files NAME.crt and NAME.key.
func (a *authority) issue(t *testing.T, name string, signer *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: signer == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, parentKey := template, key
	if signer != nil {
		parent, parentKey = signer.cert, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for suffix, block := range map[string]*pem.Block{
		".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: raw},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(a.dir, name+suffix), pem.EncodeToMemory(block), 0o600))
	}
	require.NoError(t, pgserver.Chown(a.dir))
	return cert, key
}

// serverTLS is a server's configuration, with clients' certificates checked.
func (a *authority) serverTLS(t *testing.T) *tls.Config {
	a.issue(t, "server", a)
	cert, err := tls.LoadX509KeyPair(filepath.Join(a.dir, "server.crt"), filepath.Join(a.dir, "server.key"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func testUsers(t *testing.T, password string) *Users {
	verifier, err := MakeVerifier(password)
	require.NoError(t, err)
	users, err := NewUsers(map[string]string{"u": verifier})
	require.NoError(t, err)
	return users
}

func rules(t *testing.T, text string) *HBA {
	h, err := ParseHBA(text, HBAOptions{})
	require.NoError(t, err)
	return h
}

func TestPassword(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{Users: testUsers(t, "geheim"), AuthDelay: 300 * time.Millisecond})
	connect(t, s, "replication=true password=geheim")
	connect(t, s, "password=geheim")
	for _, extra := range []string{"replication=true password=wrong", "user=nobody password=geheim"} {
		start := time.Now()
		_, err := pgconn.Connect(t.Context(), connString(s, extra))
		var e *pgconn.PgError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "28P01", e.Code)
		require.Equal(t, "FATAL", e.Severity)
		require.Contains(t, e.Message, `password authentication failed for user "`)
		require.Greater(t, time.Since(start), 300*time.Millisecond, "a failure is delayed")
	}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	hba := rules(t, "host replication x 127.0.0.1/32 reject\nlocal all all trust")
	s := serve(t, Config{AuthDelay: time.Millisecond, HBA: hba})
	for extra, message := range map[string]string{
		"replication=true user=x": `pg_hba.conf rejects replication connection for host "127.0.0.1", user "x", no encryption`,
		"replication=true": `no pg_hba.conf entry for replication connection from host "127.0.0.1", user "u", ` +
			"no encryption",
		"": `no pg_hba.conf entry for host "127.0.0.1", user "u", database "d", no encryption`,
	} {
		_, err := pgconn.Connect(t.Context(), connString(s, extra))
		var e *pgconn.PgError
		require.ErrorAs(t, err, &e)
		require.Equal(t, "28000", e.Code)
		require.Equal(t, message, e.Message)
	}
}

// Access may be changed while the server runs.
func TestSetAccess(t *testing.T) {
	t.Parallel()
	s := serve(t, Config{AuthDelay: time.Millisecond})
	connect(t, s, "replication=true")
	s.SetAccess(nil, testUsers(t, "geheim"))
	_, err := pgconn.Connect(t.Context(), connString(s, "replication=true"))
	require.Error(t, err)
	connect(t, s, "replication=true password=geheim")
}

// libpq runs a client of libpq against the server.
func libpq(t *testing.T, s *Server, tool, conninfo string, args ...string) (string, error) {
	t.Helper()
	pgserver.RequireTool(t, tool)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	port := tcpPort(s)
	full := "host=127.0.0.1 user=u dbname=d port=" + strconv.Itoa(port) + " " + conninfo
	cmd := pgserver.Command(ctx, pgserver.DefaultMajor, tool, append([]string{"-d", full}, args...)...)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		require.NoError(t, err)
	}
	return strings.TrimSpace(string(out)), err
}

// libpq over TLS: passwords bound to the channel, certificates, and what it says when it is refused.
func TestLibpqTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, "u", a)
	stranger := newAuthority(t)
	stranger.issue(t, "u", stranger)
	s := serve(t, Config{
		TLS: a.serverTLS(t), Users: testUsers(t, "geheim"), AuthDelay: time.Millisecond,
		HBA: rules(t, "hostssl replication u 127.0.0.1/32 scram-sha-256\nhostssl d u 127.0.0.1/32 cert\n"+
			"hostssl e u 127.0.0.1/32 scram-sha-256 clientcert=verify-full"),
	})
	own := " sslcert=" + a.file("u.crt") + " sslkey=" + a.file("u.key")
	none := " sslcert=none sslkey=none"
	verify := "sslmode=verify-full sslrootcert=" + a.file("authority.crt") + " "
	tests := map[string]struct {
		conninfo string
		want     string // of the output
	}{
		"channel binding": {verify + "replication=true password=geheim channel_binding=require" + none, "7654321098765432109"},
		"no binding":      {verify + "replication=true password=geheim channel_binding=disable" + none, "7654321098765432109"},
		"without TLS": {
			"sslmode=disable replication=true password=geheim", "no pg_hba.conf entry for replication connection",
		},
		"wrong password":    {verify + "replication=true password=wrong" + none, `password authentication failed for user "u"`},
		"no password":       {verify + "replication=true" + none, "no password supplied"},
		"certificate":       {verify + "replication=database" + own, "7654321098765432109"},
		"no certificate":    {verify + "replication=database" + none, "connection requires a valid client certificate"},
		"both":              {verify + "replication=database dbname=e password=geheim" + own, "7654321098765432109"},
		"both, no password": {verify + "replication=database dbname=e" + own, "no password supplied"},
		"unknown authority": {"sslmode=require replication=database sslcert=" + stranger.file("u.crt") +
			" sslkey=" + stranger.file("u.key"), "alert"},
		"TLS 1.1": {"sslmode=require replication=true password=geheim ssl_min_protocol_version=TLSv1.1" +
			" ssl_max_protocol_version=TLSv1.1" + none, "protocol version"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := libpq(t, s, "psql", tt.conninfo, "-X", "-At", "-c", "IDENTIFY_SYSTEM")
			t.Log(out)
			require.Contains(t, out, tt.want)
			if strings.HasPrefix(tt.want, "7") {
				require.NoError(t, err)
			}
		})
	}
}

// A certificate for another name does not let in.
func TestCertificateName(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, "v", a)
	s := serve(t, Config{TLS: a.serverTLS(t), AuthDelay: time.Millisecond, HBA: rules(t, "hostssl all all 127.0.0.1/32 cert")})
	conn := "sslmode=require sslcert=" + a.file("v.crt") + " sslkey=" + a.file("v.key")
	_, err := pgconn.Connect(t.Context(), connString(s, conn))
	require.ErrorContains(t, err, `certificate authentication failed for user "u"`)
	connect(t, s, conn+" user=v")
}

// pgx binds to the channel too, and begins with TLS when it is told so.
func TestPgxTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := serve(t, Config{TLS: a.serverTLS(t), Users: testUsers(t, "geheim")})
	for _, extra := range []string{"channel_binding=require", "sslnegotiation=direct channel_binding=require"} {
		conn := connect(t, s, "replication=true password=geheim sslmode=require "+extra)
		require.Equal(t, "on", string(query(t, conn, "SHOW ssl").Rows[0][0]))
	}
}
