// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog"
)

// likeServer is a server of ours that presents itself as a real one.
func likeServer(t *testing.T, real *pgserver.Server) *Server {
	number, err := strconv.Atoi(real.Value(t, "SHOW server_version_num"))
	require.NoError(t, err)
	systemID, err := strconv.ParseUint(real.Value(t, "SELECT system_identifier FROM pg_control_system()"), 10, 64)
	require.NoError(t, err)
	source := newStill(number)
	source.id.SystemID = systemID
	source.id.ServerVersionText = real.Value(t, "SHOW server_version")
	source.id.Settings = map[string]string{"TimeZone": real.Value(t, "SHOW timezone")}
	source.pos = Position{Timeline: 1, History: xlog.History{Timeline: 1}}
	return serve(t, Config{Source: source, AuthDelay: 1})
}

// What a client is told unasked, and what commands answer, is what the server of that version says, to the word.
func TestLikeServer(t *testing.T) {
	t.Parallel()
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		real := pgserver.Start(t, pgserver.Options{Major: major})
		ours := likeServer(t, real)
		extra := "user=postgres dbname=postgres "
		for _, mode := range []string{
			"replication=true application_name=it's", "replication=database", "replication=true client_encoding=utf-8",
			"replication=on options='-c application_name=a\\\\ b --client-encoding=latin1'",
		} {
			want, err := pgconn.Connect(t.Context(), real.ConnString("replication=true ")+" "+mode)
			require.NoError(t, err)
			got := connect(t, ours, extra+mode)
			if strings.HasPrefix(mode, "replication=true app") {
				compareCommands(t, want, got)
			}
			require.Equal(t, parameters(t, want), parameters(t, got), mode)
		}
		for _, bad := range []string{
			"replication=maybe", "replication=true options=-Z", "replication=true server_version=9",
			"replication=true options='-c x'",
		} {
			_, want := pgconn.Connect(t.Context(), real.ConnString()+" "+bad)
			_, got := pgconn.Connect(t.Context(), connString(ours, extra+bad))
			require.Equal(t, answer(want), answer(got), bad)
		}
	})
}

// parameters ends a connection and returns what the server said of its settings.
func parameters(t *testing.T, conn *pgconn.PgConn) string {
	h, err := conn.Hijack()
	require.NoError(t, err)
	defer h.Conn.Close()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h.ParameterStatuses)) {
		b.WriteString(name + "=" + h.ParameterStatuses[name] + "\n")
	}
	return b.String()
}

func compareCommands(t *testing.T, want, got *pgconn.PgConn) {
	compared := 0
	for _, text := range []string{
		"IDENTIFY_SYSTEM", "identify_system;", "SHOW wal_segment_size", "SHOW data_directory_mode", "SHOW Server_Version",
		"SHOW datestyle", "SHOW server_version_num", "SHOW wal_sender_timeout", "SHOW application_name", "SHOW integer_datetimes",
		"SHOW nonsense", "SHOW wal_block_size", "SHOW wal_level", "SHOW max_identifier_length", "SHOW timezone",
		"SHOW client_encoding", "SHOW session_authorization", "SHOW in_hot_standby", "SHOW transaction_read_only",
		"IDENTIFY_SYSTEM IDENTIFY_SYSTEM", "START_REPLICATION", "BASE_BACKUP (", "TIMELINE_HISTORY 0", "CREATE TABLE t()",
		"START_REPLICATION SLOT s LOGICAL",
	} {
		a, b := run(t, want, text), run(t, got, text)
		if text = strings.ToUpper(text); strings.HasPrefix(text, "IDENTIFY_SYSTEM") {
			a, b = withoutLSN(a), withoutLSN(b)
		}
		require.Equal(t, a, b, text)
		compared++
	}
	t.Logf("%d commands compared", compared)
}

// run gives the answer to a command as text.
func run(t *testing.T, conn *pgconn.PgConn, text string) string {
	results, err := conn.Exec(t.Context(), text).ReadAll()
	var b strings.Builder
	for _, r := range results {
		for _, f := range r.FieldDescriptions {
			b.WriteString(f.Name + ":" + strconv.Itoa(int(f.DataTypeOID)) + ":" + strconv.Itoa(int(f.DataTypeSize)) + " ")
		}
		for _, row := range r.Rows {
			for _, v := range row {
				b.WriteString(string(v) + " ")
			}
		}
		b.WriteString(r.CommandTag.String() + "\n")
	}
	return b.String() + answer(err)
}

func answer(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return strings.Join([]string{e.Severity, e.Code, e.Message, e.Detail, e.Hint, strconv.Itoa(int(e.Position))}, "|")
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func withoutLSN(text string) string {
	words := strings.Fields(text)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "0/") }), " ")
}
