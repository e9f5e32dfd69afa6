// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrConnInfo says that a connection string is wrong or asks for something that is not supported. The error's text
// never holds the string itself, as it may hold a password.
var ErrConnInfo = errors.New("invalid connection string")

// parseConnInfo reads a conninfo string or URL as pgconn does, with the environment, service and password files, and
// makes of it the configuration of a physical replication connection.
//
// Like libpqwalreceiver it sets the database to "replication": the server ignores it, and a password file may name it.
func parseConnInfo(connString string) (*pgconn.Config, error) {
	cfg, err := parseWithDatabase(connString)
	if err != nil {
		return nil, err
	}
	if err := applyLibpqOptions(cfg); err != nil {
		return nil, err
	}
	cfg.RuntimeParams["replication"] = "true"
	return cfg, nil
}

func parseWithDatabase(connString string) (*pgconn.Config, error) {
	candidates := []string{connString + " dbname=replication"}
	if isURL(connString) {
		candidates = []string{connString + "&dbname=replication", connString + "?dbname=replication"}
	}
	for _, s := range candidates {
		if cfg, err := pgconn.ParseConfig(s); err == nil && cfg.Database == "replication" {
			return cfg, nil
		}
	}
	cfg, err := pgconn.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrConnInfo, parseFailure(err, connString))
	}
	return cfg, nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// parseFailure is the reason in pgconn's error without the connection string, which it quotes before.
func parseFailure(err error, connString string) string {
	if inner := errors.Unwrap(err); inner != nil {
		var perr *url.Error // quotes the string too
		if errors.As(inner, &perr) || strings.Contains(inner.Error(), connString) {
			return "cannot parse it"
		}
		return inner.Error()
	}
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return text[i+len("`: "):]
	}
	return "cannot parse it"
}

// ignoredOptions are libpq's options that pgconn would send to the server as settings and that change nothing here.
var ignoredOptions = []string{
	"fallback_application_name", "client_encoding", "sslcompression", "ssl_min_protocol_version", "gsslib",
	"gssdelegation", "load_balance_hosts", "keepalives", "keepalives_idle", "keepalives_interval",
	"keepalives_count", "tcp_user_timeout", "gpconntype", "sslkeylogfile", "scram_client_key", "scram_server_key",
}

// refusedOptions narrow whom libpq would trust; to ignore one would be to weaken the connection silently. The value
// is the setting that asks for nothing, which is accepted.
var refusedOptions = map[string]string{
	"requirepeer": "", "sslcrl": "", "sslcrldir": "", "ssl_max_protocol_version": "", "hostaddr": "",
}

// applyLibpqOptions takes the options that pgconn does not know out of the startup parameters.
func applyLibpqOptions(cfg *pgconn.Config) error {
	params := cfg.RuntimeParams
	for name, harmless := range refusedOptions {
		if v, ok := params[name]; ok && v != harmless {
			return fmt.Errorf("%w: option %s is not supported", ErrConnInfo, name)
		}
		delete(params, name)
	}
	if params["gssencmode"] == "require" {
		return fmt.Errorf("%w: gssencmode=require is not supported", ErrConnInfo)
	}
	delete(params, "gssencmode")
	if v := params["ssl_min_protocol_version"]; v == "TLSv1.3" {
		return fmt.Errorf("%w: ssl_min_protocol_version=%s is not supported", ErrConnInfo, v)
	}
	if params["application_name"] == "" && params["fallback_application_name"] != "" {
		params["application_name"] = params["fallback_application_name"]
	}
	dialer, err := newDialer(params)
	if err != nil {
		return err
	}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return unpolled(conn)
	}
	for _, name := range ignoredOptions {
		delete(params, name)
	}
	return nil
}

// defaultKeepAlive notices a dead peer below the protocol in about two minutes, where the operating system's default
// needs more than two hours.
var defaultKeepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

func newDialer(params map[string]string) (*net.Dialer, error) {
	ka := defaultKeepAlive
	if params["keepalives"] == "0" {
		ka = net.KeepAliveConfig{}
	}
	for name, set := range map[string]func(n int){
		"keepalives_idle":     func(n int) { ka.Idle = time.Duration(n) * time.Second },
		"keepalives_interval": func(n int) { ka.Interval = time.Duration(n) * time.Second },
		"keepalives_count":    func(n int) { ka.Count = n },
	} {
		v := params[name]
		if v == "" || v == "0" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%w: option %s is not a number", ErrConnInfo, name)
		}
		set(n)
	}
	d := &net.Dialer{KeepAliveConfig: ka}
	if !ka.Enable {
		d.KeepAlive = -1
	}
	return d, nil
}

// redacted describes cfg for people, without its secrets.
func redacted(cfg *pgconn.Config) string {
	hosts, ports := []string{}, []string{}
	add := func(host string, port uint16) {
		p := strconv.Itoa(int(port))
		if n := len(hosts); n > 0 && hosts[n-1] == host && ports[n-1] == p {
			return // the same host again, without TLS
		}
		hosts, ports = append(hosts, host), append(ports, p)
	}
	add(cfg.Host, cfg.Port)
	for _, f := range cfg.Fallbacks {
		add(f.Host, f.Port)
	}
	s := fmt.Sprintf("user=%s host=%s port=%s", cfg.User, strings.Join(hosts, ","), strings.Join(ports, ","))
	if name := cfg.RuntimeParams["application_name"]; name != "" {
		s += " application_name=" + name
	}
	return s
}
