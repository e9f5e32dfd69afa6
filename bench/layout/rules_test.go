// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRules looks at the judge: what it allows and what it does not.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		dir, imported string
		allowed       bool
	}{
		{"xlog", "encoding/binary", true},
		{"xlog", module + "/xlog/vfs", false},
		{"xlog", "golang.org/x/sys/unix", false},
		{"xlog/waldir", module + "/xlog", true},
		{"xlog/waldir", module + "/xlog/vfs/faultfs", false},
		{"xlog/waldir", "github.com/klauspost/compress/zstd", true},
		{"xlog/waldir", "github.com/klauspost/compressor", false},
		{"protocol", "github.com/jackc/pgproto3/v2", true},
		{"protocol", module + "/walreceiver", false},
		{"walreceiver", "github.com/jackc/pgx/v5/pgconn", true},
		{"walreceiver", "github.com/spf13/cobra", false},
		{"walreceiver", module + "/walsender", false},
		{"walreceiver/standby", module + "/bench/pgserver", false},
		{"examples/receivewal", "github.com/spf13/cobra", true},
		{"examples/receivewal", module + "/bench/pgserver", false},
		{"examples/standby", module + "/bench/pgserver", false},
		{"bench/anything", module + "/protocol/protocoltest", true},
	} {
		r, ok := ruleFor(c.dir)
		require.True(t, ok, c.dir)
		require.Equal(t, c.allowed, r.allows(c.imported), "%s importing %s", c.dir, c.imported)
	}
	_, ok := ruleFor("xlog/nonsense")
	require.False(t, ok)
}

func TestSkipsFound(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", `package x
		const variable = "WALMIRROR_X"
		func f() { t.Skipf("%s is not set", variable); b.SkipNow(); reader.Skip(7) }`, 0)
	require.NoError(t, err)
	named := map[string]map[string]string{}
	addStringConstants(named, ".", file)
	require.Equal(t, []string{`Skipf("%s is not set""WALMIRROR_X")`, "SkipNow()"}, skips(file, named["."]))
}
