// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// The verifier is one that a server made of "secret".
const sampleVerifier = "SCRAM-SHA-256$4096:MTIzNDU2Nzg5MDEyMzQ1Ng==$" +
	"PzAZc4v5lGPHCaQY2rxUgUTaYyy3KzOYL5ZJ7dYCvjY=:0Gs9G1cVGlBhLPTIxxJ4b0/1Ov8lBnmNkXWHD2sVpKM="

func TestParseUsers(t *testing.T) {
	t.Parallel()
	u, err := ParseUsers("# comment\n\nmirror " + sampleVerifier + "\n\"with space\"\t\"" + sampleVerifier + "\" # why\n")
	require.NoError(t, err)
	require.Len(t, u.byName, 2)
	c, exists := u.lookup("with space")
	require.True(t, exists)
	require.Equal(t, 4096, c.Iters)
	require.Equal(t, "1234567890123456", c.Salt)
}

// A user that does not exist looks like one that does, each time, also after the file was read again.
func TestMadeUpUser(t *testing.T) {
	t.Parallel()
	text := "mirror " + strings.Replace(sampleVerifier, "4096", "5000", 1)
	one, err := ParseUsers(text)
	require.NoError(t, err)
	other, err := ParseUsers(text)
	require.NoError(t, err)
	a, exists := one.lookup("nobody")
	require.False(t, exists)
	b, _ := other.lookup("nobody")
	require.Equal(t, a.Salt, b.Salt)
	require.Equal(t, 5000, a.Iters)
	require.Len(t, a.Salt, 16)
	c, _ := one.lookup("somebody")
	require.NotEqual(t, a.Salt, c.Salt)
}

// What is refused is named by its line, and nothing of it is repeated.
func TestParseUsersRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"plain password":    "u hunter2",
		"md5":               "u md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"no verifier":       "u",
		"too many fields":   "u " + sampleVerifier + " hunter2",
		"twice":             "u " + sampleVerifier + "\nu " + sampleVerifier,
		"no end of quotes":  `u "hunter2`,
		"no iterations":     "u " + strings.Replace(sampleVerifier, "4096", "0", 1),
		"short key":         "u " + strings.Replace(sampleVerifier, "PzAZ", "", 1),
		"not base64":        "u " + strings.Replace(sampleVerifier, "PzAZ", "P!AZ", 1),
		"too many parts":    "u " + sampleVerifier + "$hunter2",
		"endless iteration": "u " + strings.Replace(sampleVerifier, "4096", "99999999999", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseUsers(text)
			require.ErrorIs(t, err, ErrConfig)
			require.Contains(t, err.Error(), "line ")
			for _, secret := range []string{"hunter2", "md5aa", "AZc4v5l", "0Gs9"} {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}

// A verifier of PostgreSQL's is one of ours, and the other way round.
func TestVerifierOfServer(t *testing.T) {
	t.Parallel()
	server := pgserver.Start(t, pgserver.Options{Password: "geheim"})
	stored := server.Value(t, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
	users, err := NewUsers(map[string]string{"u": stored})
	require.NoError(t, err)
	s := serve(t, Config{Users: users})
	shown := query(t, connect(t, s, "replication=true password=geheim"), "SHOW in_hot_standby")
	require.Equal(t, "on", string(shown.Rows[0][0]))

	for _, password := range []string{"other", "pässwörd", "\u00a0x\u1680", "☃ \U0001F600"} {
		verifier, err := MakeVerifier(password)
		require.NoError(t, err)
		server.SQL(t, "CREATE ROLE r LOGIN PASSWORD '"+verifier+"'")
		require.Equal(t, verifier, server.Value(t, "SELECT rolpassword FROM pg_authid WHERE rolname = 'r'"))
		conn, err := server.Connect(t.Context(), "user=r", "password='"+password+"'")
		require.NoError(t, err, "%q", password)
		conn.Close(t.Context())
		server.SQL(t, "DROP ROLE r")
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add("u " + sampleVerifier)
	f.Add("\"a\"\"b\" , c # d\\\n")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseUsers(text)
		if err != nil {
			require.ErrorIs(t, err, ErrConfig)
			return
		}
		u.lookup("x")
	})
}
