// SPDX-License-Identifier: Apache-2.0

package walreceiver

// RedactConnInfo describes a connection string for people: user, hosts, ports and application name, without its
// secrets.
func RedactConnInfo(connString string) string {
	cfg, err := parseConnInfo(connString)
	if err != nil {
		return err.Error()
	}
	return redacted(cfg)
}
