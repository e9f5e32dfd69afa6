// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// pg_receivewal logs in over TLS with a password bound to the channel, loses its server, logs in to the next one on the
// same port, and has the log without a gap in the end.
func TestReceivewalOverTLS(t *testing.T) {
	t.Parallel()
	source, start, _ := testLog(0)
	log := noise(3*int(testSegment) + 777)
	a := newAuthority(t)
	cfg := Config{
		Source: source, TLS: a.serverTLS(t), Users: testUsers(t, "geheim"),
		HBA: rules(t, "hostssl replication u 127.0.0.1/32 scram-sha-256"),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	first := runOn(t, cfg, listener)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	conninfo := "host=127.0.0.1 user=u password=geheim sslmode=verify-full channel_binding=require sslcert=none sslkey=none" +
		" sslrootcert=" + a.file("authority.crt") + " port=" + strconv.Itoa(port)
	cmd := exec.CommandContext(ctx, pgserver.RequireTool(t, "pg_receivewal"), "-D", dir, "-d", conninfo, "--synchronous",
		"--endpos", start.Add(len(log)-1).String())
	words := new(bytes.Buffer)
	cmd.Stderr = words
	require.NoError(t, cmd.Start())
	waitFor(t, "streaming", func() bool { _, ok := only(first.Server, StateStreaming); return ok })
	half := len(log) / 2
	source.Append(log[:half])
	waitFor(t, "half of the log to be flushed", func() bool {
		r, ok := only(first.Server, StateStreaming)
		return ok && r.FlushLSN == start.Add(half)
	})
	first.cancel()
	first.ends(t, 30*time.Second)

	listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	require.NoError(t, err)
	runOn(t, cfg, listener)
	source.Append(log[half:])
	require.NoError(t, cmd.Wait(), words)
	requireSegments(t, dir, log)
}

// A unix socket has rules of its own, and no TLS.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir := pgserver.TempDir(t)
	listener, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	require.NoError(t, err)
	require.NoError(t, pgserver.Chown(dir))
	s := serve(t, Config{
		TLS: newAuthority(t).serverTLS(t), AuthDelay: time.Millisecond, Listeners: []net.Listener{listener},
		HBA: rules(t, "local all,replication u trust"),
	})
	out, err := libpq(t, s, "psql", "host="+dir+" port=5432 replication=true sslmode=require",
		"-X", "-At", "-c", "IDENTIFY_SYSTEM")
	require.NoError(t, err, out)
	require.Contains(t, out, "7654321098765432109")
	out, err = libpq(t, s, "psql", "host="+dir+" port=5432 user=v replication=true", "-X", "-c", "IDENTIFY_SYSTEM")
	require.Error(t, err)
	require.Contains(t, out, `no pg_hba.conf entry for replication connection from host "[local]", user "v", no encryption`)
	out, err = libpq(t, s, "psql", "host=127.0.0.1 port="+strconv.Itoa(tcpPort(s))+" replication=true",
		"-X", "-c", "IDENTIFY_SYSTEM")
	require.Error(t, err)
	require.Contains(t, out, `no pg_hba.conf entry for replication connection from host "127.0.0.1"`)
}

// tcpPort is the port of the server's TCP listener.
func tcpPort(s *Server) int {
	for _, l := range s.cfg.Listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a.Port
		}
	}
	return 0
}
