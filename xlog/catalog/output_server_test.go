// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/vfs"
)

// TestOutput compares the text of values of every type, made of the bytes in a server's files, with what the server
// itself says.
func TestOutput(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		s := pgserver.Start(t, pgserver.Options{
			Major: major, InitdbArgs: []string{"--encoding=UTF8", "--locale=C"},
			Settings: map[string]string{
				"timezone": "UTC", "datestyle": "ISO, MDY", "intervalstyle": "postgres", "autovacuum": "off",
			},
		})
		s.SQL(t, outputSchema)
		tables := fillOutputTables(t, s)
		zones := timesInZones(t, s)
		makeEverything(t, s)
		want := tableTexts(t, s, tables)
		statistics := s.SQL(t, statisticsQuery)
		typeNames := s.SQL(t, typeNamesQuery)
		require.NoError(t, s.Stop(pgserver.Fast))

		c, err := catalog.OpenDir(vfs.OS, s.DataDir)
		require.NoError(t, err)
		defer c.Close()
		db, err := c.Database("postgres")
		require.NoError(t, err)
		compared := 0
		for _, table := range tables {
			compared += compareOutput(t, db, table, want[table])
		}
		compareStatistics(t, db, statistics)
		compareTypeNames(t, db, typeNames)
		compareForm(t, db)
		compareStructs[everything](t, db, 2)
		refuseStructs(t, db)
		compareParse(t, db, tables)
		compareZones(t, db, zones)
		require.NotZero(t, compared)
		t.Logf("%d values of %d tables", compared, len(tables))
	})
}

// fillOutputTables makes a table for each case, and some more.
func fillOutputTables(t *testing.T, s *pgserver.Server) (tables []string) {
	sql := ""
	for i, c := range outputCases {
		if c.since > s.Major {
			continue
		}
		table := fmt.Sprintf("output_%d", i)
		tables = append(tables, table)
		sql += fmt.Sprintf("CREATE TABLE %s (id int, v %s);\n", table, c.typ)
		for j, value := range c.values {
			sql += fmt.Sprintf("INSERT INTO %s VALUES (%d, %s);\n", table, j, value)
		}
	}
	s.SQL(t, sql+`CREATE TABLE compressed (t text); ALTER TABLE compressed ALTER t SET STORAGE main;
		INSERT INTO compressed VALUES (repeat('q', 5000));
		CREATE TABLE output_compressed AS SELECT 1 AS id, ROW(1, t)::public.pair AS v FROM compressed;
		ALTER TABLE output_compressed ALTER v SET STORAGE main;
		CREATE TABLE output_float8 AS
			SELECT row_number() OVER () AS id, v FROM unnest('`+randomFloats(64)+`'::float8[]) v;
		CREATE TABLE output_float4 AS
			SELECT row_number() OVER () AS id, v FROM unnest('`+randomFloats(32)+`'::float4[]) v;
		DROP ROLE gone`)
	return append(tables, "output_compressed", "output_float8", "output_float4")
}

// tableTexts is what the server says of the tables: of each row its id, whether the value is NULL, and its text.
func tableTexts(t *testing.T, s *pgserver.Server, tables []string) map[string][][]string {
	ctx := t.Context()
	conn, err := s.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	sql := ""
	for _, table := range tables {
		sql += "SELECT id, v IS NOT DISTINCT FROM NULL, v FROM " + table + " ORDER BY id;"
	}
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	require.NoError(t, err)
	texts := map[string][][]string{}
	for i, table := range tables {
		for _, row := range results[i].Rows {
			texts[table] = append(texts[table], []string{string(row[0]), string(row[1]), string(row[2])})
		}
	}
	return texts
}

// randomFloats is an array of numbers of 32 or 64 bits: any bits, decimals, powers of two and of ten and their
// neighbours.
func randomFloats(bits int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var texts []string
	add := func(v float64) {
		if bits == 32 {
			v = float64(float32(v))
		}
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			texts = append(texts, strconv.FormatFloat(v, 'e', -1, bits))
		}
	}
	for range 2000 {
		add(math.Float64frombits(random.Uint64()))
		add(float64(math.Float32frombits(random.Uint32())))
		add(float64(random.IntN(1_000_000)) / math.Pow10(random.IntN(20)))
		add(float64(random.Uint64()))
	}
	for e := -1074; e < 1024; e++ {
		v := math.Ldexp(1, e)
		add(v)
		add(math.Nextafter(v, 0))
		add(math.Nextafter(v, math.MaxFloat64))
	}
	for e := -45; e < 45; e++ {
		for d := 1; d < 10; d++ {
			add(float64(d) * math.Pow10(e))
		}
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// compareOutput compares a table's values with the rows id, whether it is NULL, text.
func compareOutput(t *testing.T, db *catalog.DB, table string, want [][]string) (compared int) {
	r, err := db.Relation(table)
	require.NoError(t, err)
	err = r.Scan(func(row *catalog.Row) error {
		wanted := want[compared]
		text, null, err := row.Text(1)
		if err != nil || null != (wanted[1] == "t") || text != wanted[2] {
			t.Errorf("%s %s: %.2000q, null %t, %v instead of %.2000q, null %s",
				table, wanted[0], text, null, err, wanted[2], wanted[1])
		}
		compared++
		return nil
	})
	require.NoError(t, err)
	require.Len(t, want, compared, table)
	return compared
}

const statisticsQuery = `SELECT stxdndistinct, stxddependencies, stxdmcv FROM pg_statistic_ext_data`

func compareStatistics(t *testing.T, db *catalog.DB, want [][]string) {
	r, err := db.Relation("pg_statistic_ext_data")
	require.NoError(t, err)
	require.Len(t, want, 1)
	require.NoError(t, r.Scan(func(row *catalog.Row) error {
		for i, column := range []string{"stxdndistinct", "stxddependencies", "stxdmcv"} {
			text, null, err := row.Text(r.Column(column))
			require.NoError(t, err)
			require.False(t, null)
			require.Equal(t, want[0][i], text)
		}
		return nil
	}))
}

var zoneNames = []string{"Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"}

// timesInZones is what a server makes of the same times in several time zones.
func timesInZones(t *testing.T, s *pgserver.Server) map[string][][]string {
	s.SQL(t, `CREATE TABLE times AS SELECT row_number() OVER () AS id, v
		FROM unnest('{1800-01-01 12:00+00,1940-06-01 12:00+00,2000-01-01 00:00+00,2024-07-01 12:34:56.789+00,
		2011-12-30 09:59:59+00,2011-12-30 10:00+00,0001-01-01 12:00+00,
		2024-03-31 00:59:59+00,2024-03-31 01:00+00,2300-07-01 00:00+00,infinity}'::timestamptz[]) v`)
	want := map[string][][]string{}
	for _, zone := range zoneNames {
		want[zone] = s.SQL(t, "SET timezone = '"+zone+"'; SELECT id, v IS NULL, v FROM times ORDER BY id")
	}
	return want
}

func compareZones(t *testing.T, db *catalog.DB, want map[string][][]string) {
	for zone, rows := range want {
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		db.Output().Location = location
		compareOutput(t, db, "times", rows)
	}
	db.Output().Location = nil
}

// typeNamesQuery gives the names of the types of all columns, and of modified ones.
const typeNamesQuery = `CREATE TABLE modified (a char(5), b varchar(7), c bit(3), d bit varying(9), e numeric(7),
		f numeric(9,3),
		g time(2), h timetz(3), i timestamp(0), j timestamptz(6), k interval(3), l interval year, m interval day to second(2),
		n interval hour to minute, o interval minute to second(0), p char, q bpchar, r bit, s numeric(1000,1000)[],
		t char(3)[],
		u public.positive, v hidden.mood[], w interval second(4), x interval year to month, y interval day to hour);
	SELECT attrelid::oid, attnum, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0`

func compareTypeNames(t *testing.T, db *catalog.DB, want [][]string) {
	require.NotEmpty(t, want)
	for _, row := range want {
		oid, err := strconv.ParseUint(row[0], 10, 32)
		require.NoError(t, err)
		number, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		r, err := db.RelationByOID(uint32(oid))
		require.NoError(t, err)
		column := r.Columns()[number-1]
		name, err := db.Output().TypeName(column.Type.OID, column.Typmod)
		require.NoError(t, err)
		require.Equal(t, row[2], name, "%s.%s", r.Name, column.Name)
	}
	t.Logf("%d names of types", len(want))
}
