// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sampleHBA = `
# type    database       user            address                 method
local     all            all                                     trust
hostssl   replication    mirror,"a b"    10.0.0.0/8              scram-sha-256 clientcert=verify-ca
host      replication    mirror          192.168.1.0 255.255.255.0  md5
hostnossl sameuser       all             192.168.0.0/16          scram-sha-256
hostssl   "all", d1 \
          all            ::1/128                                 cert clientname=DN
host      "replication"  all             10.1.2.3/32             scram-sha-256
host      all            "all"           10.1.2.0/24             scram-sha-256
host      all,replication  all           127.0.0.1/32            trust
host      all            all             all                     reject
`

func TestHBA(t *testing.T) {
	t.Parallel()
	h, err := ParseHBA(sampleHBA, HBAOptions{})
	require.NoError(t, err)
	tests := map[string]struct {
		at   attempt
		from string
		rule string // how its line begins; empty: none fits
	}{
		"socket":              {attempt{local: true, user: "x", database: "d"}, "", "local"},
		"socket, replication": {attempt{local: true, user: "x", physical: true}, "", ""},
		"TLS":                 {attempt{tls: true, user: "mirror", physical: true}, "10.9.8.7", "hostssl   replication"},
		"quoted name":         {attempt{tls: true, user: "a b", physical: true}, "10.9.8.7", "hostssl   replication"},
		"another user":        {attempt{tls: true, user: "b", physical: true}, "10.9.8.7", ""},
		"not TLS":             {attempt{user: "mirror", physical: true}, "10.9.8.7", ""},
		"mask":                {attempt{user: "mirror", physical: true}, "192.168.1.77", "host      replication"},
		"mask, TLS too":       {attempt{user: "mirror", physical: true, tls: true}, "192.168.1.77", "host      replication"},
		"another network":     {attempt{user: "mirror", physical: true}, "192.168.2.77", ""},
		"same user":           {attempt{user: "x", database: "x"}, "192.168.2.77", "hostnossl"},
		"not the same user":   {attempt{user: "x", database: "y"}, "192.168.2.77", lastRule},
		"continued line":      {attempt{user: "x", database: "d1", tls: true}, "::1", `hostssl   "all"`},
		"database called all": {attempt{user: "x", database: "all", tls: true}, "::1", `hostssl   "all"`},
		"quoted is no word":   {attempt{user: "x", database: "d2", tls: true}, "::1", lastRule},
		"database's name":     {attempt{user: "x", database: "replication"}, "10.1.2.3", `host      "replication"`},
		"user called all":     {attempt{user: "all", database: "d"}, "10.1.2.3", `host      all            "all"`},
		"not called all":      {attempt{user: "x", database: "d"}, "10.1.2.3", lastRule},
		"loopback":            {attempt{user: "u", physical: true}, "127.0.0.1", "host      all,replication"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.at.remote, _ = netip.ParseAddr(tt.from)
			r := h.match(tt.at)
			if tt.rule == "" {
				require.Nil(t, r)
				return
			}
			require.NotNil(t, r)
			require.Equal(t, lineOf(tt.rule), r.line)
		})
	}
	r := h.match(attempt{user: "x", database: "d1", tls: true, remote: netip.MustParseAddr("::1")})
	require.Equal(t, certFull, r.cert)
	require.True(t, r.certDN)
}

const lastRule = "host      all            all             all"

// lineOf is the number of the line of sampleHBA that begins with a text.
func lineOf(begin string) int {
	before, _, _ := strings.Cut(sampleHBA, "\n"+begin)
	return strings.Count(before, "\n") + 2
}

func TestHBARefuses(t *testing.T) {
	t.Parallel()
	for line, why := range map[string]string{
		"hots all all all trust":                              "invalid connection type",
		"hostgssenc all all all trust":                        "invalid connection type",
		"include other.conf":                                  "invalid connection type",
		"local,host all all trust":                            "multiple values",
		"host":                                                "end-of-line before database",
		"host all":                                            "end-of-line before role",
		"host all all":                                        "end-of-line before address",
		"host all all 10.0.0.1":                               "end-of-line before netmask",
		"host all all 10.0.0.1 255.0.255.0 reject":            "its ones are not together",
		"host all all 10.0.0.1 ffff:: reject":                 "do not match",
		"host all all 10.0.0.1/33 reject":                     "invalid address",
		"host all all example.com reject":                     "host names are not supported",
		"host all all all":                                    "end-of-line before authentication method",
		"host all all all sesame":                             "invalid authentication method",
		"host all all all ldap":                               "not supported",
		"local all all peer":                                  "not supported",
		"host all all all trust":                              "trust is only for loopback",
		"host all all 0.0.0.0/0 trust":                        "trust is only for loopback",
		"host all all ::/0 trust":                             "trust is only for loopback",
		"host all all 127.0.0.0/7 trust":                      "trust is only for loopback",
		"host all all all cert":                               "hostssl",
		"host all all all scram-sha-256 clientcert=verify-ca": "hostssl",
		"hostssl all all all cert clientcert=verify-ca":       "verify-full",
		"hostssl all all all scram-sha-256 clientcert=1":      "invalid value",
		"hostssl all all all cert map=m":                      "unrecognized authentication option",
		"hostssl all all all cert clientcert":                 "name=value",
		"host all +group all reject":                          "groups",
		"host all /^a all reject":                             "regular expressions",
		"host @file all all reject":                           "files of names",
		"host samerole all all reject":                        "not supported",
		`host "all all all reject`:                            "no end",
	} {
		_, err := ParseHBA("\n"+line, HBAOptions{})
		require.ErrorIs(t, err, ErrConfig, line)
		require.ErrorContains(t, err, "line 2", line)
		require.ErrorContains(t, err, why, line)
	}
	_, err := ParseHBA("host all all all trust", HBAOptions{TrustRemote: true})
	require.NoError(t, err)
}

// Without rules this machine is trusted, and nobody else; with users everybody needs a password.
func TestDefaultHBA(t *testing.T) {
	t.Parallel()
	loopback := attempt{remote: netip.MustParseAddr("127.0.0.1"), physical: true, user: "u"}
	elsewhere := attempt{remote: netip.MustParseAddr("10.0.0.1"), physical: true, user: "u"}
	h := defaultHBA(nil)
	require.Equal(t, methodTrust, h.match(loopback).method)
	require.Nil(t, h.match(elsewhere))
	h = defaultHBA(new(Users))
	require.Equal(t, methodSCRAM, h.match(loopback).method)
	require.Equal(t, methodSCRAM, h.match(elsewhere).method)
	require.Equal(t, methodSCRAM, h.match(attempt{local: true, database: "d"}).method)
}

func FuzzParseHBA(f *testing.F) {
	for line := range strings.SplitSeq(sampleHBA, "\n") {
		f.Add(line)
	}
	f.Add(sampleHBA)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHBA(text, HBAOptions{})
		if err != nil {
			require.ErrorIs(t, err, ErrConfig)
			return
		}
		// Whatever the rules say, without being asked for no other machine is trusted.
		r := h.match(attempt{remote: netip.MustParseAddr("192.0.2.1"), user: "u", database: "d"})
		require.False(t, r != nil && r.method == methodTrust && r.address.kind != addressSameHost)
	})
}
