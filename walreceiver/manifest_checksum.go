// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"
)

// ChecksumAlgorithm names how a backup manifest's file checksums are made (src/common/checksum_helper.c).
type ChecksumAlgorithm string

// The algorithms that servers know.
const (
	ChecksumNone   ChecksumAlgorithm = "NONE"
	ChecksumCRC32C ChecksumAlgorithm = "CRC32C"
	ChecksumSHA224 ChecksumAlgorithm = "SHA224"
	ChecksumSHA256 ChecksumAlgorithm = "SHA256"
	ChecksumSHA384 ChecksumAlgorithm = "SHA384"
	ChecksumSHA512 ChecksumAlgorithm = "SHA512"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksumHashes makes a hash for each algorithm; none for ChecksumNone.
var checksumHashes = map[ChecksumAlgorithm]func() hash.Hash{
	ChecksumNone:   func() hash.Hash { return nil },
	ChecksumCRC32C: func() hash.Hash { return crc32c{crc32.New(castagnoli)} },
	ChecksumSHA224: sha256.New224,
	ChecksumSHA256: sha256.New,
	ChecksumSHA384: sha512.New384,
	ChecksumSHA512: sha512.New,
}

// ParseChecksumAlgorithm reads a name in either case.
func ParseChecksumAlgorithm(s string) (ChecksumAlgorithm, error) {
	a := ChecksumAlgorithm(strings.ToUpper(s))
	if checksumHashes[a] == nil {
		return "", fmt.Errorf("unknown checksum algorithm %q", s)
	}
	return a, nil
}

// newHash is nil for ChecksumNone.
func (a ChecksumAlgorithm) newHash() hash.Hash {
	if f := checksumHashes[a]; f != nil {
		return f()
	}
	return nil
}

// crc32c writes its sum as a server of this machine's kind has it in memory: least significant byte first.
type crc32c struct{ hash.Hash32 }

func (c crc32c) Sum(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, c.Sum32()) }
