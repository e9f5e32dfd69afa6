// SPDX-License-Identifier: Apache-2.0

// Package serve has what programs share that serve the log to others: flags, host rules and users that are read again at
// SIGHUP, lines for a log, and the page of metrics.
package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/walmirror/walmirror/examples/internal/bytesize"
	"github.com/walmirror/walmirror/walsender"
)

// Flags are the flags about serving.
type Flags struct {
	Listen []string // HOST:PORT, or the path of a unix socket
	HTTP   string   // HOST:PORT for metrics; empty: none

	hba, users            string
	superusers            []string
	trustRemote           bool
	cert, key, clientCA   string
	maxConnections        int
	senderTimeout         time.Duration
	stopTimeout           time.Duration
	keepSize, slotMaxKeep bytesize.Size
}

// Register adds the flags.
func (f *Flags) Register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.Listen, "listen", nil,
		"serve the log at `ADDRESS`, HOST:PORT or the path of a unix socket; may be given several times")
	fl.StringVar(&f.hba, "hba", "", "host rules, a `FILE` as pg_hba.conf (default: this machine without a password, or, with "+
		"--users, everybody who has one)")
	fl.BoolVar(&f.trustRemote, "trust-remote", false, "allow the host rules to let other machines in without a password")
	fl.StringVar(&f.users, "users", "", "`FILE` of users and their SCRAM-SHA-256 verifiers, as in pg_authid")
	fl.StringArrayVar(&f.superusers, "superuser", nil,
		"`USER` who may read passwords and users' data in catalogs by SQL; may be given several times (default: nobody)")
	fl.StringVar(&f.cert, "tls-cert", "", "certificate, a PEM `FILE`")
	fl.StringVar(&f.key, "tls-key", "", "its private key, a PEM `FILE`")
	fl.StringVar(&f.clientCA, "tls-client-ca", "", "authorities for certificates of clients, a PEM `FILE`")
	fl.IntVar(&f.maxConnections, "max-connections", 0, "sessions at a time (default 100)")
	fl.DurationVar(&f.senderTimeout, "wal-sender-timeout", time.Minute, "give a silent client up after this time; 0 is never")
	fl.DurationVar(&f.stopTimeout, "stop-timeout", time.Minute, "at the end wait so long for clients to flush everything")
	fl.Var(&f.keepSize, "wal-keep-size", "keep so much of the log in any case, such as 1G")
	fl.Var(&f.slotMaxKeep, "max-slot-wal-keep-size", "let slots keep so much of the log at most (default: no limit)")
	fl.StringVar(&f.HTTP, "http", "", "serve metrics at http://`ADDRESS`/metrics")
}

// Check finds what is wrong before anything begins.
func (f *Flags) Check() error {
	switch {
	case (f.cert == "") != (f.key == ""):
		return errors.New("--tls-cert and --tls-key belong together")
	case f.clientCA != "" && f.cert == "":
		return errors.New("--tls-client-ca needs --tls-cert")
	case f.maxConnections < 0 || f.senderTimeout < 0 || f.stopTimeout < 0:
		return errors.New("a number of connections or a timeout is negative")
	case len(f.Listen) == 0 && (f.hba != "" || f.users != "" || f.cert != "" || f.HTTP != ""):
		return errors.New("--hba, --users, --tls-cert and --http need --listen")
	}
	return nil
}

// Config listens, and makes of the flags what a walsender.Server needs besides a source.
func (f *Flags) Config() (cfg walsender.Config, err error) {
	cfg = walsender.Config{
		MaxConnections: f.maxConnections, SenderTimeout: f.senderTimeout, StopTimeout: f.stopTimeout,
		Superusers: f.superusers,
		Retention:  walsender.Retention{KeepSize: int64(f.keepSize), SlotMaxSize: int64(f.slotMaxKeep)},
	}
	if f.senderTimeout == 0 {
		cfg.SenderTimeout = -1
	}
	if cfg.HBA, cfg.Users, err = f.access(); err != nil {
		return cfg, err
	}
	if cfg.TLS, err = f.tls(); err != nil {
		return cfg, err
	}
	cfg.Listeners, err = f.listen()
	return cfg, err
}

// access reads the host rules and the users.
func (f *Flags) access() (hba *walsender.HBA, users *walsender.Users, err error) {
	if f.users != "" {
		if users, err = walsender.LoadUsers(f.users); err != nil {
			return nil, nil, err
		}
	}
	if f.hba != "" {
		hba, err = walsender.LoadHBA(f.hba, walsender.HBAOptions{TrustRemote: f.trustRemote})
	}
	return hba, users, err
}

// tls is nil without a certificate.
func (f *Flags) tls() (*tls.Config, error) {
	if f.cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if f.clientCA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, err
	}
	cfg.ClientCAs = x509.NewCertPool()
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", f.clientCA)
	}
	return cfg, nil
}

func (f *Flags) listen() ([]net.Listener, error) {
	var all []net.Listener
	for _, address := range f.Listen {
		network := "tcp"
		if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
			network = "unix"
		}
		l, err := net.Listen(network, address)
		if err != nil {
			Close(all)
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// Close closes listeners that no server took.
func Close(all []net.Listener) {
	for _, l := range all {
		l.Close()
	}
}
