// SPDX-License-Identifier: Apache-2.0

package pgdata

// LogsHints tells whether changes that may be lost must not be written as they are (XLogHintBitIsNeeded in
// src/include/access/xlog.h): pages have checksums, or wal_log_hints is on.
func (s *Store) LogsHints() bool { return !s.keepHints }
