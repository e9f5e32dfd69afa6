// SPDX-License-Identifier: Apache-2.0

package redo

import "math/bits"

// How many buckets a hash index has (src/backend/access/hash/hashutil.c). They are doubled in four steps, called phases,
// from the tenth doubling on, and in one step before.
const (
	hashPhaseBits     = 2                  // HASH_SPLITPOINT_PHASE_BITS
	hashPhases        = 1 << hashPhaseBits // HASH_SPLITPOINT_PHASES_PER_GRP
	hashOnePhase      = 10                 // HASH_SPLITPOINT_GROUPS_WITH_ONE_PHASE
	hashMostBuckets   = 1 << 30            // at the begin
	hashFewestBuckets = 2
)

// hashBuckets is the number of buckets at the begin of an index for so many tuples.
func hashBuckets(tuples float64, fillFactor uint16) uint32 {
	switch n := tuples / float64(fillFactor); {
	case n >= hashMostBuckets:
		return hashMostBuckets
	case n > hashFewestBuckets:
		return hashTotalBuckets(hashSpareIndex(uint32(n)))
	}
	return hashFewestBuckets
}

// ceilLog2 is the smallest power of two that is not less than n, as an exponent.
func ceilLog2(n uint32) uint32 { return uint32(bits.Len32(n - 1)) }

// hashSpareIndex is the split point that has bucket n-1 (_hash_spareindex).
func hashSpareIndex(n uint32) uint32 {
	group := ceilLog2(n)
	if group < hashOnePhase {
		return group
	}
	phase := (n - 1) >> (group - hashPhaseBits - 1) & (hashPhases - 1)
	return hashOnePhase + (group-hashOnePhase)<<hashPhaseBits + phase
}

// hashTotalBuckets is the number of buckets up to a split point (_hash_get_totalbuckets).
func hashTotalBuckets(point uint32) uint32 {
	if point < hashOnePhase {
		return 1 << point
	}
	group := hashOnePhase + (point-hashOnePhase)>>hashPhaseBits
	phase := (point-hashOnePhase)&(hashPhases-1) + 1
	return 1<<(group-1) + phase<<(group-1-hashPhaseBits)
}
