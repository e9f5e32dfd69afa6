// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseConnInfo(t *testing.T) {
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "none"))
	for _, s := range []string{
		"host=h port=1 user=u",
		"host=h port=1 user=u dbname=other",
		"postgres://u@h:1",
		"postgres://u@h:1/other",
		"postgresql://u@h:1/?application_name=",
		"postgresql://u@h:1/other?connect_timeout=3&application_name=",
		// What pg_basebackup -R writes.
		"user=u passfile=/none channel_binding=prefer host=h port=1 sslmode=prefer sslcompression=0 sslcertmode=allow sslsni=1 " +
			"ssl_min_protocol_version=TLSv1.2 gssencmode=prefer krbsrvname=postgres gssdelegation=0 target_session_attrs=any " +
			"load_balance_hosts=disable keepalives=1 tcp_user_timeout=0 gpconntype=default replication=false",
	} {
		cfg, err := parseConnInfo(s)
		require.NoError(t, err, s)
		require.Equal(t, "u", cfg.User, s)
		require.Equal(t, "h", cfg.Host, s)
		require.EqualValues(t, 1, cfg.Port, s)
		require.Equal(t, "replication", cfg.Database, s)
		delete(cfg.RuntimeParams, "application_name")
		require.Equal(t, map[string]string{"replication": "true"}, cfg.RuntimeParams, s)
	}
}

func TestConnInfoErrors(t *testing.T) {
	for _, s := range []string{
		"host=h password=geheim port=x", "password='geheim", "postgres://u:geheim@h:x", "postgres://u:geh%eim@h/",
		"geheim", "host=h password=geheim requirepeer=root", "host=h password=geheim gssencmode=require",
		"host=h password=geheim sslcrl=/file", "host=h password=geheim keepalives_idle=geheim",
		"host=h password=geheim sslmode=geheim", "host=h password=geheim target_session_attrs=geheim",
	} {
		_, err := parseConnInfo(s)
		require.ErrorIs(t, err, ErrConnInfo, s)
		require.NotContains(t, err.Error(), "password=geheim")
		require.NotContains(t, err.Error(), ":geh")
		t.Log(err)
	}
}

// TestPassFile: an entry for the database "replication" counts, as in libpq.
func TestPassFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pass")
	require.NoError(t, os.WriteFile(file, []byte("h:1:other:u:wrong\nh:1:replication:u:right\n"), 0o600))
	for _, s := range []string{
		"host=h port=1 user=u passfile='" + file + "'",
		"postgres://u@h:1/other?passfile=" + file,
	} {
		cfg, err := parseConnInfo(s)
		require.NoError(t, err)
		require.Equal(t, "right", cfg.Password)
	}
}

func TestKeepAlives(t *testing.T) {
	d, err := newDialer(map[string]string{"keepalives_idle": "7", "keepalives_count": "0"})
	require.NoError(t, err)
	want := net.KeepAliveConfig{Enable: true, Idle: 7 * time.Second, Interval: 15 * time.Second, Count: 4}
	require.Equal(t, want, d.KeepAliveConfig)
	d, err = newDialer(map[string]string{"keepalives": "0"})
	require.NoError(t, err)
	require.False(t, d.KeepAliveConfig.Enable)
	require.Negative(t, d.KeepAlive)
}

func TestRedacted(t *testing.T) {
	s := "host=a,b port=1,2 user=u password=geheim application_name=n sslmode=prefer"
	require.Equal(t, "user=u host=a,b port=1,2 application_name=n", RedactConnInfo(s))
	require.NotContains(t, RedactConnInfo("password='geheim"), "geheim")
}

func TestVersionNum(t *testing.T) {
	for text, want := range map[string]int{
		"15.18 (Debian 15.18-0+deb12u1)": 150018, "12": 120000, "18beta1": 180000, "18.4": 180004, "": 0, "devel": 0,
		"9.6.24": 90006, "99999999999.1": 99990000,
	} {
		require.Equal(t, want, versionNum(text), text)
	}
}

func TestParseUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1min": time.Minute, "60s": time.Minute, "1500ms": 1500 * time.Millisecond, "0": 0, "2d": 48 * time.Hour, "1h": time.Hour,
	} {
		d, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, d, text)
	}
	for text, want := range map[string]uint64{"16MB": 16 << 20, "1GB": 1 << 30, "8192": 8192, "512kB": 512 << 10} {
		n, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "x", "-1s", "5 s", "99999999999MB", "1TB", "4294967295d"} {
		_, err := parseDuration(text)
		require.Error(t, err, text)
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 10 * time.Second}.withDefaults()
	for failures, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second,
	} {
		for range 20 {
			d := b.delay(failures)
			require.GreaterOrEqual(t, d, want/2)
			require.LessOrEqual(t, d, want)
		}
	}
	require.Equal(t, Backoff{Min: 200 * time.Millisecond, Max: 15 * time.Second}, Backoff{}.withDefaults())
	require.Equal(t, time.Minute, Backoff{Min: time.Minute}.withDefaults().Max)
}
