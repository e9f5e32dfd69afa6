// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/walmirror/walmirror/protocol"
	"github.com/walmirror/walmirror/xlog"
)

// show answers SHOW on a replication connection (GetPGVariable in guc.c): one row.
func (c *session) show(name string) error {
	value, ok := c.setting(name)
	if !ok {
		return errorf(codeUndefinedObject, "unrecognized configuration parameter %q", name)
	}
	columns := []protocol.Column{{Name: settingName(name), TypeOID: oidText}}
	return c.sendRows(columns, [][][]byte{{[]byte(value)}}, "")
}

// canonical has the names of settings that are not all lower case.
var canonical = map[string]string{"datestyle": "DateStyle", "intervalstyle": "IntervalStyle", "timezone": "TimeZone"}

// settingName is the name of a setting as PostgreSQL spells it, whatever its case.
func settingName(name string) string {
	lower := strings.ToLower(name)
	if name, ok := canonical[lower]; ok {
		return name
	}
	return lower
}

// setting is the value of a setting, as SHOW prints it. ok is false when there is no such setting here.
func (c *session) setting(name string) (value string, ok bool) {
	name = settingName(name)
	if value, ok := c.settings[name]; ok {
		return value, true
	}
	switch name {
	case "session_authorization", "role":
		return c.user, true
	case "client_encoding", "server_encoding":
		return c.serverEncoding(), true
	}
	if value, ok := c.server.setting(name); ok {
		return value, true
	}
	value, ok = c.server.cfg.Source.Identity().Settings[name]
	if !ok {
		value, ok = fixedSettings[name]
	}
	return value, ok
}

// fixedSettings are the same for every server of walmirror.
var fixedSettings = map[string]string{
	"application_name": "", "cluster_name": "", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "Etc/UTC",
	"integer_datetimes": "on", "is_superuser": "on", "standard_conforming_strings": "on", "scram_iterations": "4096",
	"default_transaction_read_only": "off", "search_path": `"$user", public`, "extra_float_digits": "1",
	"bytea_output": "hex", "hot_standby": "on", "wal_level": "replica", "data_checksums": "off",
	"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "max_identifier_length": "63",
	"client_min_messages": "notice", "row_security": "on", "transaction_isolation": "read committed",
	"default_transaction_isolation": "read committed", "synchronous_commit": "on", "archive_mode": "off",
}

// setting is the value of a setting that depends on the source or the configuration.
func (s *Server) setting(name string) (value string, ok bool) {
	id := s.cfg.Source.Identity()
	switch name {
	case "server_version":
		return serverVersionText(id), true
	case "server_version_num":
		return strconv.Itoa(id.ServerVersion), true
	case "wal_segment_size":
		return formatBytes(uint64(id.SegmentSize)), true
	case "wal_block_size", "block_size":
		return strconv.Itoa(s.blockSize()), true
	case "data_directory_mode":
		return fmt.Sprintf("%04o", dataDirectoryMode(id)), true
	case "in_hot_standby":
		return onOff(s.cfg.Source.Position().InRecovery), s.dialect.Major() == 0 || s.dialect.Major() >= 14
	case "transaction_read_only":
		return onOff(s.cfg.Source.Position().InRecovery), true
	case "wal_sender_timeout":
		return formatMilliseconds(max(0, s.cfg.SenderTimeout.Milliseconds())), true
	case "max_wal_senders", "max_connections":
		return strconv.Itoa(s.cfg.MaxConnections), true
	case "ssl":
		return onOff(s.cfg.TLS != nil), true
	case "gp_server_version":
		return id.FlavourVersion, id.Flavour != xlog.PostgreSQL
	}
	return "", false
}

// serverVersionText is server_version: as the source says, or made of the number.
func serverVersionText(id Identity) string {
	if id.ServerVersionText != "" {
		return id.ServerVersionText
	}
	return fmt.Sprintf("%d.%d", id.ServerVersion/10000, id.ServerVersion%10000)
}

func dataDirectoryMode(id Identity) uint32 {
	if id.DataDirectoryMode == 0 {
		return 0o700
	}
	return uint32(id.DataDirectoryMode.Perm())
}

// blockSize is that of WAL pages, 8192 when the version is not known.
func (s *Server) blockSize() int {
	if d, err := xlog.DialectForServer(s.dialect.Flavour, s.dialect.Version); err == nil {
		return d.WALBlockSize()
	}
	return 8192
}

// reportedSettings are the settings that a client is told about unasked, in the order in which versions before 14 do so
// (GUC_REPORT in guc.c).
func (s *Server) reportedSettings() []string {
	names := []string{"application_name", "client_encoding", "DateStyle"}
	add := func(when bool, name string) {
		if when {
			names = append(names, name)
		}
	}
	v := s.dialect.Major()
	add(v >= 14, "default_transaction_read_only")
	add(s.dialect.Flavour != xlog.PostgreSQL, "gp_server_version")
	add(v >= 14, "in_hot_standby")
	names = append(names, "integer_datetimes", "IntervalStyle", "is_superuser")
	add(v >= 16, "scram_iterations")
	add(v >= 18, "search_path")
	return append(names, "server_encoding", "server_version", "session_authorization", "standard_conforming_strings",
		"TimeZone")
}

// setAtStart takes a setting of the startup packet. Those that have no meaning here are kept, so that they can be shown;
// of those that say in which style values are sent there is only one.
func (c *session) setAtStart(name, value string) error {
	name = settingName(name)
	if _, ok := c.server.setting(name); ok {
		return fatalf(codeCannotChange, "parameter %q cannot be changed", name)
	}
	switch name {
	case "DateStyle", "IntervalStyle", "TimeZone", "session_authorization":
		return nil
	case "application_name":
		value = cleanASCII(value, c.server.dialect.Major() >= 16)
	case "client_encoding":
		value = encodingName(value)
	}
	if len(c.settings) >= maxSettings {
		return fatalf(codeConfigurationLimit, "too many configuration parameters")
	}
	c.settings[name] = value
	return nil
}

const maxSettings = 100

// encodings are the names of encodings that clients ask for, by their letters and digits (pg_char_to_encoding). Only
// what is ASCII in all of them is ever sent.
var encodings = map[string]string{
	"utf8": "UTF8", "unicode": "UTF8", "sqlascii": "SQL_ASCII", "latin1": "LATIN1", "iso88591": "LATIN1",
	"win1252": "WIN1252", "windows1252": "WIN1252",
}

func encodingName(value string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(value))
	if name, ok := encodings[plain]; ok {
		return name
	}
	return value
}

// serverEncoding: without a database it is SQL_ASCII, as in PostgreSQL.
func (c *session) serverEncoding() string {
	if c.replication == physical {
		return "SQL_ASCII"
	}
	return "UTF8"
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// formatBytes prints a size in the largest unit that fits, as SHOW does (convert_int_from_base_unit).
func formatBytes(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	unit := 0
	for n != 0 && n%1024 == 0 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	return strconv.FormatUint(n, 10) + units[unit]
}

// formatMilliseconds prints a time in the largest unit that fits.
func formatMilliseconds(ms int64) string {
	if ms == 0 {
		return "0"
	}
	for _, u := range []struct {
		name string
		ms   int64
	}{{"d", 86_400_000}, {"h", 3_600_000}, {"min", 60_000}, {"s", 1000}} {
		if ms%u.ms == 0 {
			return strconv.FormatInt(ms/u.ms, 10) + u.name
		}
	}
	return strconv.FormatInt(ms, 10) + "ms"
}

// parseMilliseconds reads a time as SET takes it: with a unit, or as milliseconds. Nothing is 0.
func parseMilliseconds(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	unit, ok := map[string]time.Duration{
		"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute,
		"h": time.Hour, "d": 24 * time.Hour,
	}[text[len(number):]]
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if text == "" {
		return 0, nil
	}
	if err != nil || !ok || n < 0 || n*float64(unit) > float64(math.MaxInt64) {
		return 0, errorf(codeInvalidParameterValue, "invalid value for parameter: %q", text)
	}
	return time.Duration(n * float64(unit)), nil
}
