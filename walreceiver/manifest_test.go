// SPDX-License-Identifier: Apache-2.0

package walreceiver

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/xlog"
)

// signed adds a manifest's last line.
func signed(body string) string {
	return body + fmt.Sprintf("\"Manifest-Checksum\": \"%x\"}\n", sha256.Sum256([]byte(body)))
}

const manifestHead = "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n"
const manifestTail = "\n],\n\"WAL-Ranges\": [\n" +
	"{ \"Timeline\": 3, \"Start-LSN\": \"0/6000000\", \"End-LSN\": \"1/6000100\" },\n" +
	"{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/6000000\" }\n],\n"

func manifestWith(entries ...string) string {
	return signed(manifestHead + strings.Join(entries, ",\n") + manifestTail)
}

const goodEntry = `{ "Path": "base/1/2", "Size": 8192, "Last-Modified": "2026-11-22 23:00:58 GMT", ` +
	`"Checksum-Algorithm": "CRC32C", "Checksum": "01020304" }`

func TestReadManifest(t *testing.T) {
	t.Parallel()
	text := manifestWith(goodEntry,
		`{ "Encoded-Path": "62617365ff", "Size": 0, "Last-Modified": "x" }`,
		`{ "Path": "a\"\\\/\u00e9\ud83d\ude00\t\n", "Size": 9007199254740993, "Last-Modified": "", `+
			`"Checksum-Algorithm": "sha224", "Checksum": "`+strings.Repeat("aB", 28)+`" }`)
	var files []ManifestFile
	m, err := ReadManifest(iotest.OneByteReader(strings.NewReader(text)), func(f ManifestFile) error {
		files = append(files, f)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, &Manifest{Version: 1, Files: 3, WALRanges: []WALRange{
		{Timeline: 3, Start: 0x6000000, End: 0x1_06000100},
		{Timeline: 1, Start: 0x2000028, End: 0x6000000},
	}}, m)
	require.Equal(t, ManifestFile{Path: "base/1/2", Size: 8192, Algorithm: ChecksumCRC32C, Checksum: []byte{1, 2, 3, 4}},
		files[0])
	require.Equal(t, ManifestFile{Path: "base\xff", Algorithm: ChecksumNone}, files[1])
	require.Equal(t, "a\"\\/é😀\t\n", files[2].Path)
	require.Equal(t, int64(9007199254740993), files[2].Size)
	require.Len(t, files[2].Checksum, 28)
}

func TestReadManifestVersion2(t *testing.T) {
	t.Parallel()
	text := signed("{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": 18446744073709551615,\n" +
		"\"Files\": [\n],\n\"WAL-Ranges\": [\n],\n")
	m, err := ReadManifest(strings.NewReader(text), nil)
	require.NoError(t, err)
	require.Equal(t, &Manifest{Version: 2, SystemID: 1<<64 - 1}, m)
}

func TestReadManifestErrors(t *testing.T) {
	t.Parallel()
	entry := func(s string) string { return manifestWith(s) }
	good := manifestWith(goodEntry)
	for name, text := range map[string]string{
		"empty":              "",
		"not an object":      "[]\n",
		"no version":         signed("{ \"Files\": [\n],\n\"WAL-Ranges\": [\n],\n"),
		"version 3":          strings.Replace(good, "Version\": 1", "Version\": 3", 1),
		"version text":       strings.Replace(good, "Version\": 1", "Version\": \"1\"", 1),
		"unknown field":      signed("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"More\": 1,\n"),
		"field twice":        signed(manifestHead + "],\n\"Files\": [\n" + manifestTail),
		"no files":           signed("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"WAL-Ranges\": [\n],\n"),
		"no ranges":          signed(manifestHead + "],\n"),
		"no checksum":        manifestHead + "],\n\"WAL-Ranges\": [\n]}\n",
		"checksum in line":   manifestHead + "],\n\"WAL-Ranges\": [\n], \"Manifest-Checksum\": \"00\"}\n",
		"wrong checksum":     strings.Replace(good, "8192", "8193", 1),
		"short checksum":     good[:len(good)-8] + "\"}\n",
		"no last line feed":  strings.TrimSuffix(good, "\n"),
		"more after the end": good + "\n",
		"tokens after":       good + "{}\n",
		"after checksum":     strings.TrimSuffix(good, "}\n") + ",\"Files\": []}\n",
		"cut":                good[:len(good)/2],
		"no path":            entry(`{ "Size": 1, "Last-Modified": "" }`),
		"two paths":          entry(`{ "Path": "a", "Encoded-Path": "61", "Size": 1 }`),
		"path twice":         entry(`{ "Path": "a", "Path": "a", "Size": 1 }`),
		"empty path":         entry(`{ "Path": "", "Size": 1 }`),
		"NUL in path":        entry(`{ "Path": "a\u0000", "Size": 1 }`),
		"bad encoded path":   entry(`{ "Encoded-Path": "6", "Size": 1 }`),
		"no size":            entry(`{ "Path": "a" }`),
		"negative size":      entry(`{ "Path": "a", "Size": -1 }`),
		"fraction":           entry(`{ "Path": "a", "Size": 1.5 }`),
		"huge size":          entry(`{ "Path": "a", "Size": 9223372036854775808 }`),
		"size as text":       entry(`{ "Path": "a", "Size": "1" }`),
		"unknown file field": entry(`{ "Path": "a", "Size": 1, "Mode": 1 }`),
		"unknown algorithm":  entry(`{ "Path": "a", "Size": 1, "Checksum-Algorithm": "MD5", "Checksum": "00" }`),
		"sum only":           entry(`{ "Path": "a", "Size": 1, "Checksum": "00000000" }`),
		"algorithm only":     entry(`{ "Path": "a", "Size": 1, "Checksum-Algorithm": "CRC32C" }`),
		"none with sum":      entry(`{ "Path": "a", "Size": 1, "Checksum-Algorithm": "NONE", "Checksum": "" }`),
		"short sum":          entry(`{ "Path": "a", "Size": 1, "Checksum-Algorithm": "CRC32C", "Checksum": "00" }`),
		"sum not hex":        entry(`{ "Path": "a", "Size": 1, "Checksum-Algorithm": "CRC32C", "Checksum": "0000000g" }`),
		"nested":             entry(`{ "Path": { "Path": "a" }, "Size": 1 }`),
		"array in array":     entry(`[ { "Path": "a", "Size": 1 } ]`),
		"literal":            entry(`{ "Path": null, "Size": 1 }`),
		"missing comma":      entry(`{ "Path": "a" "Size": 1 }`),
		"trailing comma":     entry(`{ "Path": "a", "Size": 1, }`),
		"missing colon":      entry(`{ "Path" "a", "Size": 1 }`),
		"string over a line": entry("{ \"Path\": \"a\nb\", \"Size\": 1 }"),
		"control character":  entry("{ \"Path\": \"a\x01b\", \"Size\": 1 }"),
		"invalid UTF-8":      entry("{ \"Path\": \"a\xff\", \"Size\": 1 }"),
		"invalid escape":     entry(`{ "Path": "\x", "Size": 1 }`),
		"cut escape":         entry(`{ "Path": "\u12`),
		"lone surrogate":     entry(`{ "Path": "\ud83d", "Size": 1 }`),
		"wrong surrogate":    entry(`{ "Path": "\ud83d\u0041", "Size": 1 }`),
		"long line":          entry(`{ "Path": "` + strings.Repeat("a", maxManifestLine) + `", "Size": 1 }`),
		"timeline 0":         strings.Replace(good, "\"Timeline\": 3", "\"Timeline\": 0", 1),
		"range LSN":          strings.Replace(good, "0/6000000", "0-6000000", 1),
		"range backwards":    strings.Replace(good, "1/6000100", "0/5000100", 1),
		"range incomplete":   strings.Replace(good, "\"Timeline\": 3, ", "", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadManifest(strings.NewReader(text), nil)
			require.ErrorIs(t, err, ErrManifest)
			t.Log(err)
		})
	}
}

// TestReadManifestForeignErrors: what the callback or the reader says is not the manifest's fault.
func TestReadManifestForeignErrors(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	_, err := ReadManifest(strings.NewReader(manifestWith(goodEntry)), func(ManifestFile) error { return mine })
	require.ErrorIs(t, err, mine)
	require.NotErrorIs(t, err, ErrManifest)
	_, err = ReadManifest(io.MultiReader(strings.NewReader(manifestHead), iotest.ErrReader(mine)), nil)
	require.ErrorIs(t, err, mine)
	require.NotErrorIs(t, err, ErrManifest)
}

// TestReadManifestFlips flips every bit of a manifest: each change must be noticed.
func TestReadManifestFlips(t *testing.T) {
	t.Parallel()
	good := manifestWith(goodEntry)
	flips, same := 0, 0
	for i := range len(good) {
		for bit := range 8 {
			b := []byte(good)
			b[i] ^= 1 << bit
			flips++
			if _, err := ReadManifest(strings.NewReader(string(b)), nil); err == nil {
				// In the last line white space and the case of a digit mean nothing, as for PostgreSQL.
				require.GreaterOrEqual(t, i, strings.LastIndex(good, "\"Manifest-Checksum"), "byte %d bit %d", i, bit)
				same++
			}
		}
	}
	t.Logf("%d flips, %d of them without meaning", flips, same)
}

func TestChecksumAlgorithms(t *testing.T) {
	t.Parallel()
	require.Nil(t, ChecksumNone.newHash())
	for a, size := range map[ChecksumAlgorithm]int{
		ChecksumCRC32C: 4, ChecksumSHA224: 28, ChecksumSHA256: 32, ChecksumSHA384: 48, ChecksumSHA512: 64,
	} {
		require.Equal(t, size, a.newHash().Size(), a)
		parsed, err := ParseChecksumAlgorithm(strings.ToLower(string(a)))
		require.NoError(t, err)
		require.Equal(t, a, parsed)
	}
	h := ChecksumCRC32C.newHash()
	_, _ = h.Write([]byte("123456789"))
	require.Equal(t, []byte{0x83, 0x92, 0x06, 0xe3}, h.Sum(nil), "least significant byte first")
	require.Equal(t, uint32(0xe3069283), crc32.Checksum([]byte("123456789"), castagnoli))
	_, err := ParseChecksumAlgorithm("md5")
	require.Error(t, err)
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestWith(goodEntry)))
	f.Add([]byte(manifestWith(`{ "Encoded-Path": "62617365ff", "Size": 0 }`, `{ "Path": "\ud83d\ude00", "Size": 1 }`)))
	f.Add([]byte(signed("{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": 1,\n\"Files\": [],\n" +
		"\"WAL-Ranges\": [],\n")))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		m, err := ReadManifest(strings.NewReader(string(b)), func(mf ManifestFile) error {
			n++
			if mf.Path == "" || mf.Size < 0 {
				t.Fatalf("entry %+v", mf)
			}
			return nil
		})
		if err != nil {
			return
		}
		if m.Files != n || m.Version < 1 || m.Version > 2 {
			t.Fatalf("%+v, %d entries", m, n)
		}
		for _, r := range m.WALRanges {
			if r.End < r.Start || r.Timeline == xlog.TimelineID(0) {
				t.Fatalf("%+v", r)
			}
		}
	})
}
