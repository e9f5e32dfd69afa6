// SPDX-License-Identifier: Apache-2.0

package walreceiver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/walreceiver"
	"github.com/walmirror/walmirror/xlog"
)

func connect(t *testing.T, conninfo string) *walreceiver.Conn {
	t.Helper()
	conn, err := walreceiver.Connect(t.Context(), conninfo, walreceiver.ConnectOptions{ApplicationName: "conn_test"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestCommands compares the answers of the commands with what SQL says.
func TestCommands(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, small(major, nil))
		newTimeline(t, s)
		conn := connect(t, s.ConnString())
		ctx := t.Context()

		info := conn.Server()
		require.Equal(t, major, info.Major())
		require.Equal(t, xlog.PostgreSQL, info.Flavour)
		require.Equal(t, s.Value(t, "SHOW server_version"), info.VersionText)
		require.Equal(t, s.Port, info.Port)
		require.False(t, info.TLS)
		require.Equal(t, s.Value(t, "SELECT pid FROM pg_stat_activity WHERE application_name = 'conn_test'"),
			bigInt(info.PID))

		id, err := conn.IdentifySystem(ctx)
		require.NoError(t, err)
		require.Equal(t, s.Value(t, "SELECT system_identifier FROM pg_control_system()"), bigInt(id.SystemID))
		require.Equal(t, xlog.TimelineID(2), id.Timeline)
		require.Equal(t, flushLSN(t, s), id.XLogPos)
		require.Empty(t, id.DBName)

		size, err := conn.SegmentSize(ctx)
		require.NoError(t, err)
		require.Equal(t, mib, size)
		mode, err := conn.Show(ctx, "Data_Directory_Mode")
		require.NoError(t, err)
		require.Equal(t, "0700", mode)
		_, err = conn.Show(ctx, "no_such_setting")
		require.Error(t, err)

		name, content, err := conn.TimelineHistory(ctx, 2)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(s.DataDir, "pg_wal", name))
		require.NoError(t, err)
		require.Equal(t, want, content)
		_, _, err = conn.TimelineHistory(ctx, 9)
		require.Error(t, err)

		require.NoError(t, conn.CreateSlot(ctx, "one", walreceiver.SlotOptions{}))
		require.ErrorIs(t, conn.CreateSlot(ctx, "one", walreceiver.SlotOptions{}), walreceiver.ErrSlotExists)
		require.NoError(t, conn.CreateSlot(ctx, "one", walreceiver.SlotOptions{IfNotExists: true}))
		require.NoError(t, conn.CreateSlot(ctx, "two", walreceiver.SlotOptions{Temporary: true}))
		restart := s.Value(t, "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'one' AND NOT temporary")
		slot, err := conn.ReadSlot(ctx, "one")
		if major < 15 {
			require.ErrorIs(t, err, protocol.ErrUnsupported)
		} else {
			require.NoError(t, err)
			require.Equal(t, restart, slot.RestartLSN.String())
			require.Equal(t, xlog.TimelineID(2), slot.RestartTimeline)
			_, err = conn.ReadSlot(ctx, "none")
			require.ErrorIs(t, err, walreceiver.ErrSlotNotFound)
		}
		require.NoError(t, conn.DropSlot(ctx, "one", true))
		require.ErrorIs(t, conn.DropSlot(ctx, "one", false), walreceiver.ErrSlotNotFound)
		require.NoError(t, conn.Close())
		eventually(t, "no slot", func() bool { return s.Value(t, "SELECT count(*) FROM pg_replication_slots") == "0" })
	})
}

func bigInt[T uint32 | uint64](n T) string { return new(big.Int).SetUint64(uint64(n)).String() }

// TestSlotStart: the first stream begins where the slot keeps the log, and an invalid slot says so.
func TestSlotStart(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	fill(t, s, 1)
	s.SQL(t, "SELECT pg_create_physical_replication_slot('s', true)")
	restart, err := xlog.ParseLSN(s.Value(t, "SELECT restart_lsn FROM pg_replication_slots"))
	require.NoError(t, err)
	fill(t, s, 3)
	dir, _ := archive(t)
	r := receive(t, walreceiver.Config{ConnString: s.ConnString(), Sink: dir, Slot: "s"})
	r.has(s)
	started, ok := eventOf[walreceiver.StreamStarted](r)
	require.True(t, ok)
	require.Equal(t, mib.RoundDown(restart), started.Start.LSN)
	r.stop()
}

// TestContext: a command ends with its context.
func TestContext(t *testing.T) {
	t.Parallel()
	s := pgserver.Start(t, small(0, nil))
	proxy := proxyTo(t, s)
	conn := connect(t, through(proxy))
	proxy.SetMode(stalled)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := conn.IdentifySystem(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 10*time.Second)
}

// TestTLS streams over TLS with the server's certificate checked.
func TestTLS(t *testing.T) {
	t.Parallel()
	pgserver.Require(t)
	dir := pgserver.TempDir(t)
	cert, key := certificate(t, dir)
	s := pgserver.Start(t, small(0, map[string]string{"ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key}))
	conninfo := s.ConnString("sslmode=verify-full", "sslrootcert="+cert)
	require.True(t, connect(t, conninfo).Server().TLS)
	sink, path := archive(t)
	r := receive(t, walreceiver.Config{ConnString: conninfo, Sink: sink})
	r.until("streaming", streaming)
	fill(t, s, 3)
	r.has(s)
	r.stop()
	require.Equal(t, 1, r.Status().Connections)
	sameFiles(t, segments(t, path), segments(t, filepath.Join(s.DataDir, "pg_wal")))

	_, err := walreceiver.Connect(t.Context(), s.ConnString("sslmode=verify-full"), walreceiver.ConnectOptions{})
	require.Error(t, err, "nobody vouches for the certificate")
}

// certificate makes a key and a certificate for 127.0.0.1 that vouches for itself.
func certificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: loopback,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	require.NoError(t, pgserver.Chown(dir))
	return certFile, keyFile
}
