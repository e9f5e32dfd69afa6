// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/walmirror/walmirror/walreceiver"
)

// server says whom to connect to.
type server struct {
	dbname, host, port, user string
	noPassword, askPassword  bool

	password string // that was typed in
}

// connString puts the single options after those of --dbname, so that they win. A --dbname that is only a name is
// of no use to a replication connection.
func (s *server) connString() string {
	extra := [][2]string{
		{"host", s.host}, {"port", s.port}, {"user", s.user}, {"password", s.password},
		{"fallback_application_name", progname},
	}
	if strings.HasPrefix(s.dbname, "postgres://") || strings.HasPrefix(s.dbname, "postgresql://") {
		return s.connURL(extra)
	}
	var b strings.Builder
	if strings.Contains(s.dbname, "=") {
		b.WriteString(s.dbname)
	}
	for _, kv := range extra {
		if kv[1] != "" {
			fmt.Fprintf(&b, " %s='%s'", kv[0], strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(kv[1]))
		}
	}
	return b.String()
}

// connURL adds the options as parameters, of which the last one counts. As in libpq a plus sign is no space.
func (s *server) connURL(extra [][2]string) string {
	var b strings.Builder
	b.WriteString(s.dbname)
	separator := "?"
	if strings.Contains(s.dbname, "?") {
		separator = "&"
	}
	for _, kv := range extra {
		if kv[1] != "" {
			b.WriteString(separator + kv[0] + "=" + strings.ReplaceAll(url.QueryEscape(kv[1]), "+", "%20"))
			separator = "&"
		}
	}
	return b.String()
}

// connect opens the first connection. It asks for a password when told to, or when the server wants one, there is
// none, and somebody is there to ask.
func (s *server) connect(ctx context.Context) (*walreceiver.Conn, error) {
	if s.askPassword {
		if err := s.readPassword(); err != nil {
			return nil, err
		}
	}
	conn, err := s.connectOnce(ctx)
	if !errors.Is(err, walreceiver.ErrAuth) || s.noPassword || s.askPassword || !term.IsTerminal(int(os.Stdin.Fd())) {
		return conn, err
	}
	if err := s.readPassword(); err != nil {
		return nil, err
	}
	return s.connectOnce(ctx)
}

func (s *server) connectOnce(ctx context.Context) (*walreceiver.Conn, error) {
	return walreceiver.Connect(ctx, s.connString(), walreceiver.ConnectOptions{})
}

// readPassword takes a line from the terminal, or from standard input when that is none.
func (s *server) readPassword() error {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		s.password = strings.TrimRight(line, "\r\n")
		if s.password != "" {
			return nil
		}
		return errors.Join(errors.New("could not read a password"), err)
	}
	fmt.Fprint(os.Stderr, "Password: ")
	p, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	s.password = string(p)
	return err
}
