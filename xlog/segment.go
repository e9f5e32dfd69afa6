// SPDX-License-Identifier: Apache-2.0

package xlog

import (
	"errors"
	"fmt"
	"strings"
)

// SegmentSize is the size in bytes of the files that hold the log: a power of two from 1 MiB to 1 GiB, 16 MiB in a
// stock cluster and 64 MiB in Greenplum (IsValidWalSegSize in src/include/access/xlog_internal.h).
type SegmentSize uint32

// The limits and the usual sizes of a segment.
const (
	MinSegmentSize       SegmentSize = 1 << 20
	MaxSegmentSize       SegmentSize = 1 << 30
	DefaultSegmentSize   SegmentSize = 16 << 20
	GreenplumSegmentSize SegmentSize = 64 << 20
)

// PartialSuffix ends the name of a segment that is still being received into an archive directory.
const PartialSuffix = ".partial"

const (
	historySuffix  = ".history"
	segmentNameLen = 24
)

var (
	// ErrSegmentSize says that a number is no legal segment size.
	ErrSegmentSize = errors.New("invalid WAL segment size")
	// ErrSegmentName says that a file name is not that of a segment.
	ErrSegmentName = errors.New("not a WAL segment name")
)

// SegmentNumber counts segments from the start of the log.
type SegmentNumber uint64

// Validate says whether s is a size that PostgreSQL accepts.
func (s SegmentSize) Validate() error {
	if s < MinSegmentSize || s > MaxSegmentSize || s&(s-1) != 0 {
		return fmt.Errorf("%w %d: must be a power of two between 1 MB and 1 GB", ErrSegmentSize, uint32(s))
	}
	return nil
}

// Number is the segment that holds the byte at l.
func (s SegmentSize) Number(l LSN) SegmentNumber { return SegmentNumber(uint64(l) / uint64(s)) }

// Offset is l's byte offset in its segment.
func (s SegmentSize) Offset(l LSN) uint32 { return uint32(uint64(l) & uint64(s-1)) }

// RoundDown is the first position of the segment that holds l.
func (s SegmentSize) RoundDown(l LSN) LSN { return l &^ LSN(s-1) }

// Start is the first position of segment n.
func (s SegmentSize) Start(n SegmentNumber) LSN { return LSN(uint64(n) * uint64(s)) }

// perID is the number of segments in each 4 GiB step of the name's middle group.
func (s SegmentSize) perID() uint64 { return 0x1_0000_0000 / uint64(s) }

// Name is the file name of segment n on timeline t (XLogFileName).
func (s SegmentSize) Name(t TimelineID, n SegmentNumber) string {
	return fmt.Sprintf("%08X%08X%08X", uint32(t), uint64(n)/s.perID(), uint64(n)%s.perID())
}

// ParseName takes a segment's file name apart. It accepts neither a suffix nor lowercase digits nor a number that
// a cluster with this segment size cannot have.
func (s SegmentSize) ParseName(name string) (TimelineID, SegmentNumber, error) {
	if !IsSegmentName(name) {
		return 0, 0, fmt.Errorf("%w: %q", ErrSegmentName, name)
	}
	t, _ := parseHex32(name[:8])
	log, _ := parseHex32(name[8:16])
	seg, _ := parseHex32(name[16:])
	if uint64(seg) >= s.perID() || t == 0 {
		return 0, 0, fmt.Errorf("%w for segments of %d bytes: %q", ErrSegmentName, uint32(s), name)
	}
	return TimelineID(t), SegmentNumber(uint64(log)*s.perID() + uint64(seg)), nil
}

// IsSegmentName tells whether name is that of a complete segment (IsXLogFileName).
func IsSegmentName(name string) bool { return len(name) == segmentNameLen && isUpperHex(name) }

// IsPartialSegmentName tells whether name is that of a segment still being received (IsPartialXLogFileName).
func IsPartialSegmentName(name string) bool {
	base, ok := strings.CutSuffix(name, PartialSuffix)
	return ok && IsSegmentName(base)
}

// IsHistoryName tells whether name is that of a timeline history file (IsTLHistoryFileName).
func IsHistoryName(name string) bool {
	base, ok := strings.CutSuffix(name, historySuffix)
	return ok && len(base) == 8 && isUpperHex(base)
}

func isUpperHex(s string) bool {
	for i := range len(s) {
		if d, ok := hexDigit(s[i]); !ok || (d > 9 && s[i] >= 'a') {
			return false
		}
	}
	return true
}
