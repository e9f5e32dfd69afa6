// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// Application names. A Greenplum coordinator takes only a client of the name GreenplumApplicationName for its
// synchronous standby (is_for_gp_walreceiver in Greenplum's walsender.c).
const (
	DefaultApplicationName   = "walreceiver"
	GreenplumApplicationName = "gp_walreceiver"
)

// ConnectOptions change how Connect connects. The zero value is good.
type ConnectOptions struct {
	// ApplicationName goes before the one in the connection string. When neither gives one it is
	// DefaultApplicationName, and GreenplumApplicationName on Greenplum and Cloudberry.
	ApplicationName string
	// Timeout limits the connection attempt where the connection string has no connect_timeout, and every single read
	// and write until SetTimeouts. Default 30 s; negative is no limit.
	Timeout time.Duration
	// OnNotice is called for each notice that the server sends. It must not use the Conn.
	OnNotice func(*protocol.Error)
}

// DefaultConnectTimeout is the default of ConnectOptions.Timeout.
const DefaultConnectTimeout = 30 * time.Second

// ServerInfo says what the server told about itself when the connection began.
type ServerInfo struct {
	protocol.Server                   // version number and flavour
	VersionText     string            // server_version as reported, for example "15.18 (Debian 15.18-0+deb12u1)"
	Parameters      map[string]string // every ParameterStatus
	Host            string            // address of the server, without port for a Unix socket
	Port            int
	PID             uint32 // of the walsender
	TLS             bool
}

// Conn is an established physical replication connection. Its commands are used by one goroutine at a time; while the
// log is streamed, Client says what may happen at once.
type Conn struct {
	wire     *wire
	client   *protocol.Client
	server   ServerInfo
	conninfo string
	close    sync.Once
}

// Connect opens a connection with a conninfo string or a URL, as libpq reads them: environment, service and password
// files, TLS, several hosts with target_session_attrs. The server is PostgreSQL 12 or newer, or a Greenplum of that
// line. ctx limits the attempt only. An error never holds a password.
func Connect(ctx context.Context, connString string, opts ConnectOptions) (*Conn, error) {
	cfg, err := parseConnInfo(connString)
	if err != nil {
		return nil, err
	}
	if opts.Timeout == 0 {
		opts.Timeout = DefaultConnectTimeout
	}
	if cfg.ConnectTimeout == 0 && opts.Timeout > 0 {
		cfg.ConnectTimeout = opts.Timeout
	}
	if opts.ApplicationName != "" {
		cfg.RuntimeParams["application_name"] = opts.ApplicationName
	}
	named := cfg.RuntimeParams["application_name"] != ""
	if !named {
		cfg.RuntimeParams["application_name"] = DefaultApplicationName
	}
	c, err := connectOnce(ctx, cfg, opts)
	if err != nil || named || c.server.Flavour == xlog.PostgreSQL {
		return c, err
	}
	c.Close()
	cfg.RuntimeParams["application_name"] = GreenplumApplicationName
	return connectOnce(ctx, cfg, opts)
}

func connectOnce(ctx context.Context, cfg *pgconn.Config, opts ConnectOptions) (*Conn, error) {
	pg, err := dial(ctx, cfg)
	if err != nil {
		return nil, classifyConnect(connectError(err))
	}
	if err := syncConn(ctx, pg); err != nil {
		pg.Close(ctx)
		return nil, fmt.Errorf("connect: %w", err)
	}
	hijacked, err := pg.Hijack()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := newConn(hijacked)
	c.conninfo = redacted(cfg)
	if v := c.server.Version; v < 120000 {
		c.Close()
		return nil, fmt.Errorf("%w: %s", ErrServerVersion, c.server.VersionText)
	}
	c.client.OnNotice(opts.OnNotice)
	if opts.Timeout > 0 {
		c.wire.setTimeouts(opts.Timeout, opts.Timeout)
	}
	return c, nil
}

// syncConn ends whatever pgconn still does on a connection. On a slow one it sends a query, which a walsender refuses,
// and that answer serves as well as any other.
func syncConn(ctx context.Context, pg *pgconn.PgConn) error {
	for {
		err := pg.SyncConn(ctx)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "0A000" || ctx.Err() != nil {
			return err
		}
	}
}

func newConn(h *pgconn.HijackedConn) *Conn {
	c := &Conn{wire: &wire{Conn: h.Conn}, server: serverInfo(h.ParameterStatuses)}
	_ = h.Conn.SetDeadline(time.Time{})
	c.server.PID = h.PID
	c.server.TLS = h.TLSConfig != nil
	c.server.Host, c.server.Port = splitAddress(h.Conn.RemoteAddr().String())
	c.client = protocol.NewClient(c.wire)
	c.client.SetServer(c.server.Server)
	return c
}

// connectError keeps a server's refusal reachable as a *protocol.Error, like the errors of commands.
func connectError(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return fmt.Errorf("connect: %w", err)
	}
	return fmt.Errorf("connect: %w", &connectRefused{cause: err, answer: &protocol.Error{
		LocalizedSeverity: pgErr.Severity, Severity: pgErr.SeverityUnlocalized, Code: pgErr.Code,
		Message: pgErr.Message, Detail: pgErr.Detail, Hint: pgErr.Hint,
		File: pgErr.File, Line: int(pgErr.Line), Routine: pgErr.Routine,
	}})
}

// connectRefused has pgconn's text, which names the hosts that were tried.
type connectRefused struct {
	cause  error
	answer *protocol.Error
}

func (e *connectRefused) Error() string   { return e.cause.Error() }
func (e *connectRefused) Unwrap() []error { return []error{e.answer, e.cause} }

func serverInfo(params map[string]string) ServerInfo {
	info := ServerInfo{Parameters: params, VersionText: params["server_version"]}
	info.Version = versionNum(info.VersionText)
	if gp, ok := params["gp_server_version"]; ok {
		info.Flavour = xlog.Greenplum
		if info.Version >= 140000 || protocol.FlavourOf(gp) == xlog.Cloudberry {
			info.Flavour = xlog.Cloudberry
		}
	}
	return info
}

// versionNum reads server_version as libpq does (pqSaveParameterStatus in fe-exec.c): "15.18 (Debian)" is 150018,
// and "18beta1" and "12" count as the minor version 0.
func versionNum(text string) int {
	major, rest := leadingInt(text)
	if minor, ok := strings.CutPrefix(rest, "."); ok {
		n, _ := leadingInt(minor)
		return major*10000 + n
	}
	return major * 10000
}

func leadingInt(s string) (int, string) {
	i := 0
	for i < len(s) && i < 4 && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, _ := strconv.Atoi(s[:i])
	return n, s[i:]
}

func splitAddress(addr string) (string, int) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return addr, 0
	}
	port, err := strconv.Atoi(addr[i+1:])
	if err != nil {
		return addr, 0
	}
	return strings.Trim(addr[:i], "[]"), port
}

// Server says whom the connection leads to.
func (c *Conn) Server() ServerInfo { return c.server }

// ConnInfo describes the connection for people: user, hosts and application name, never a password.
func (c *Conn) ConnInfo() string { return c.conninfo }

// Client is the command conversation underneath, for what Conn has no method for. Bind limits its calls by a context.
func (c *Conn) Client() *protocol.Client { return c.client }

// SetTimeouts limits each single read and write from now on; 0 is no limit. A base backup, for one, may be silent for
// as long as a checkpoint takes.
func (c *Conn) SetTimeouts(read, write time.Duration) { c.wire.setTimeouts(read, write) }

// Bind makes the end of ctx interrupt what the connection does: reads and writes fail from then on. release ends the
// binding; it returns ctx's error when ctx ended before.
func (c *Conn) Bind(ctx context.Context) (release func() error) {
	stop := onDone(ctx, c.wire.interrupt)
	return func() error {
		if stop() {
			return nil
		}
		c.wire.resume()
		return context.Cause(ctx)
	}
}

// onDone calls f at the end of ctx. stop prevents that, or waits until f has returned and is false.
func onDone(ctx context.Context, f func()) (stop func() bool) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() bool {
		if cancel() {
			return true
		}
		<-done
		return false
	}
}

// exec runs one command.
func (c *Conn) exec(ctx context.Context, cmd protocol.Command) ([]protocol.Result, error) {
	release := c.Bind(ctx)
	results, err := c.client.Exec(cmd)
	if cause := release(); cause != nil && err != nil {
		err = cause
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commandName(cmd), err)
	}
	return results, nil
}

// commandName is the beginning of a command, for messages.
func commandName(cmd protocol.Command) string {
	words := strings.Fields(cmd.String())
	return strings.Join(words[:min(2, len(words))], " ")
}

// terminate is the message that ends a session in order; without it the server logs a lost connection.
var terminate = []byte{'X', 0, 0, 0, 4}

// Close ends the connection. It tells the server so where that needs no waiting.
func (c *Conn) Close() error {
	var err error
	c.close.Do(func() {
		c.wire.setTimeouts(time.Second, time.Second)
		c.wire.resume()
		_, _ = c.wire.Write(terminate)
		err = c.wire.Close()
	})
	return err
}
