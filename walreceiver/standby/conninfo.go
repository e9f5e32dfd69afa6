// SPDX-License-Identifier: Apache-2.0

package standby

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// primaryConninfo is the value of primary_conninfo for a standby of the server that connString names. What the user
// wrote stays as it is, in its own form (libpq takes both, and the last of two equal keywords); host, port and user
// are made explicit because a postgres started later does not see the environment they may have come from.
// applicationName is added unless the user gave one; it may be empty.
func primaryConninfo(connString, applicationName string) (string, error) {
	cfg, err := pgconn.ParseConfig(connString)
	if err != nil {
		return "", fmt.Errorf("connection string: %w", err)
	}
	if cfg.RuntimeParams["application_name"] != "" {
		applicationName = ""
	}
	if isURL(connString) {
		return conninfoURL(connString, cfg, applicationName)
	}
	words := []string{"user=" + quoteConninfo(cfg.User)}
	if !strings.Contains(connString, "host") && !strings.Contains(connString, "service") {
		words = append(words, "host="+quoteConninfo(cfg.Host), fmt.Sprintf("port=%d", cfg.Port))
	}
	if applicationName != "" {
		words = append(words, "application_name="+quoteConninfo(applicationName))
	}
	if s := strings.TrimSpace(connString); s != "" {
		words = append(words, s)
	}
	return strings.Join(words, " "), nil
}

func isURL(connString string) bool {
	return strings.HasPrefix(connString, "postgres://") || strings.HasPrefix(connString, "postgresql://")
}

func conninfoURL(connString string, cfg *pgconn.Config, applicationName string) (string, error) {
	u, err := url.Parse(connString)
	if err != nil {
		// url.Error repeats the URL, and with it the password.
		return "", fmt.Errorf("connection string is not a valid URL")
	}
	query := u.Query()
	if u.User == nil && query.Get("user") == "" {
		query.Set("user", cfg.User)
	}
	if u.Host == "" && query.Get("host") == "" {
		query.Set("host", cfg.Host)
		query.Set("port", fmt.Sprint(cfg.Port))
	}
	if applicationName != "" {
		query.Set("application_name", applicationName)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String(), nil
}

// quoteConninfo writes a value as appendConnStrVal does (src/fe_utils/string_utils.c).
func quoteConninfo(s string) string {
	plain := s != ""
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.') {
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
