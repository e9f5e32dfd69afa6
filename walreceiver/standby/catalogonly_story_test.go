// SPDX-License-Identifier: Apache-2.0

package standby_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/walmirror/walmirror/bench/pgserver"
	"github.com/walmirror/walmirror/walreceiver/standby"
	"github.com/walmirror/walmirror/xlog/catalog"
	"github.com/walmirror/walmirror/xlog/pgdata"
)

// catalogStory is a primary with data, and a mirror of its catalogs.
type catalogStory struct {
	primary *pgserver.Server
	dir     string // of the mirror
	rows    int    // of the large table
	spaces  []string
}

// The statements of a story are run in the database app; those behind \c NAME in another one. # is a tablespace's
// directory, and $rows what the large table has.
var (
	storyBefore = `
		CREATE TABLESPACE first LOCATION '#0';
		CREATE TABLESPACE second LOCATION '#1';
		CREATE DATABASE app;
		CREATE DATABASE away TABLESPACE first;
		CREATE DATABASE leaving;
		\c template1
		CREATE TABLE of_template AS SELECT i FROM generate_series(1, 20000) i;
		VACUUM FULL pg_type;
		REINDEX TABLE pg_rewrite;
		\c away
		VACUUM FULL pg_attribute;
		\c app
		CREATE TABLE large (i int PRIMARY KEY, t text, u text);
		INSERT INTO large SELECT i, repeat(md5(i::text), 10), md5((-i)::text) FROM generate_series(1, $rows) i;
		CREATE INDEX ON large (u);
		CREATE TABLE elsewhere TABLESPACE second AS SELECT * FROM large LIMIT 5000;
		CREATE UNLOGGED TABLE unlogged AS SELECT i FROM generate_series(1, 1000) i;
		CREATE MATERIALIZED VIEW mat AS SELECT i FROM large WHERE i % 10 = 0;
		SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
		VACUUM FULL pg_class;
		VACUUM FULL pg_proc;
		REINDEX TABLE pg_depend;
		VACUUM FULL pg_description;
		ANALYZE`
	storyCatalogs = `
		VACUUM FULL;
		REINDEX SYSTEM app;
		CLUSTER pg_class USING pg_class_oid_index;
		CLUSTER pg_description USING pg_description_o_c_o_index;
		CLUSTER pg_attribute USING pg_attribute_relid_attnum_index;
		VACUUM FULL pg_database;
		VACUUM FULL pg_authid;
		REINDEX TABLE pg_shdepend;
		REINDEX TABLE pg_database;
		BEGIN; REINDEX TABLE pg_description; CREATE TABLE never (i int PRIMARY KEY); INSERT INTO never VALUES (1); ROLLBACK;
		BEGIN; REINDEX INDEX pg_class_oid_index; ROLLBACK;
		BEGIN; REINDEX INDEX pg_class_oid_index; REINDEX TABLE pg_proc; CREATE TABLE with_it AS SELECT * FROM mat; COMMIT;
		BEGIN; SAVEPOINT s; REINDEX TABLE pg_rewrite; CREATE TABLE sub (i int PRIMARY KEY); RELEASE s; COMMIT;
		BEGIN; SAVEPOINT t; REINDEX TABLE pg_constraint; CREATE TABLE n AS TABLE mat; ROLLBACK TO t; DROP TABLE sub; COMMIT;
		BEGIN; REINDEX INDEX pg_description_o_c_o_index; CREATE TABLE prepared AS SELECT * FROM mat; PREPARE TRANSACTION 'p';
		CHECKPOINT;
		COMMIT PREPARED 'p';
		BEGIN; REINDEX INDEX pg_seclabel_object_index; CREATE TABLE not_prepared AS SELECT * FROM mat; PREPARE TRANSACTION 'q';
		ROLLBACK PREPARED 'q';
		SELECT lo_from_bytea(0, decode(repeat('cd', 5000), 'hex'))`
	storyUser = `
		BEGIN; CREATE TABLE big AS SELECT * FROM large; CHECKPOINT; DELETE FROM big; INSERT INTO big SELECT * FROM large; COMMIT;
		BEGIN; CREATE TABLE gone AS SELECT * FROM large; CREATE INDEX ON gone (u); ROLLBACK;
		CREATE INDEX ON big (u);
		ALTER TABLE big ALTER u TYPE varchar(100);
		VACUUM FULL big;
		CLUSTER large USING large_pkey;
		ALTER TABLE big SET TABLESPACE second;
		CHECKPOINT;
		ALTER TABLE big SET TABLESPACE pg_default;
		REINDEX TABLE big;
		UPDATE big SET t = t || 'x' WHERE i % 10 = 0;
		TRUNCATE big;
		INSERT INTO big SELECT * FROM large;
		CREATE UNLOGGED TABLE more (i int PRIMARY KEY, t text);
		INSERT INTO more SELECT i, 't' FROM generate_series(1, 1000) i;
		ALTER TABLE more SET LOGGED;
		ALTER TABLE more SET UNLOGGED;
		CREATE SEQUENCE seq; SELECT nextval('seq') FROM mat;
		REFRESH MATERIALIZED VIEW mat;
		CREATE TABLE parted (i int) PARTITION BY RANGE (i);
		CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000000);
		INSERT INTO parted SELECT i FROM large;
		CREATE TABLE pg_temp_1259 AS SELECT * FROM large;
		DROP TABLE big;
		VACUUM ANALYZE`
	storyDatabases = `
		CREATE TABLESPACE third LOCATION '#2';
		CREATE DATABASE plain;
		CREATE DATABASE copied TEMPLATE app;
		CREATE DATABASE copied_file TEMPLATE away STRATEGY file_copy;
		CREATE DATABASE in_third TABLESPACE third TEMPLATE app;
		\c copied
		CREATE TABLE mine AS SELECT i FROM generate_series(1, 10000) i;
		VACUUM FULL pg_class;
		\c in_third
		VACUUM FULL pg_proc;
		CREATE TABLE mine AS SELECT i FROM generate_series(1, 10000) i;
		REINDEX SYSTEM in_third;
		\c postgres
		CHECKPOINT;
		ALTER DATABASE away SET TABLESPACE second;
		ALTER DATABASE copied_file SET TABLESPACE pg_default;
		ALTER DATABASE in_third SET TABLESPACE pg_default;
		ALTER DATABASE copied SET TABLESPACE third;
		DROP DATABASE leaving;
		CREATE DATABASE short TABLESPACE first; DROP DATABASE short;
		\c copied
		VACUUM FULL pg_attribute;
		\c postgres
		DROP TABLESPACE first`
)

func newCatalogStory(t *testing.T, major, rows int) *catalogStory {
	c := &catalogStory{rows: rows}
	c.primary = pgserver.Start(t, pgserver.Options{Major: major, Settings: map[string]string{
		"autovacuum": "off", "max_prepared_transactions": "5", "max_wal_size": "4GB", "checkpoint_timeout": "1h",
	}})
	for i := range 3 {
		dir, err := c.primary.MakeDir(fmt.Sprint("space", i))
		require.NoError(t, err)
		c.spaces = append(c.spaces, dir)
	}
	c.run(t, `\c postgres
		`+storyBefore)
	return c
}

// run runs statements, one line or one group up to a semicolon at the end of a line at a time.
func (c *catalogStory) run(t *testing.T, script string) {
	t.Helper()
	database := "app"
	for _, statement := range strings.Split(c.expand(script), ";\n") {
		statement = strings.TrimSpace(statement)
		for strings.HasPrefix(statement, `\c `) {
			line, rest, _ := strings.Cut(statement, "\n")
			database, statement = strings.TrimSpace(line[3:]), strings.TrimSpace(rest)
		}
		if statement != "" {
			c.sql(t, database, statement)
		}
	}
}

func (c *catalogStory) expand(script string) string {
	for i, dir := range c.spaces {
		script = strings.ReplaceAll(script, fmt.Sprintf("'#%d'", i), "'"+dir+"'")
	}
	if c.primary.Major < 15 {
		script = strings.ReplaceAll(script, "STRATEGY file_copy", "")
	}
	return strings.ReplaceAll(script, "$rows", fmt.Sprint(c.rows))
}

// sql runs the statements of a group one after the other in one session, for some must not be in a transaction.
func (c *catalogStory) sql(t *testing.T, database, group string) {
	t.Helper()
	conn, err := c.primary.Connect(t.Context(), "dbname="+database)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, statement := range strings.Split(group, ";") {
		_, err := conn.PgConn().Exec(t.Context(), statement).ReadAll()
		require.NoError(t, err, "%s: %s", database, statement)
	}
}

// init makes the mirror, while the primary works on, rewriting catalogs.
func (c *catalogStory) init(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan int)
	go func() { worked <- c.work(ctx) }()
	snap := initStandby(t, c.primary, func(cfg *standby.InitConfig) { cfg.CatalogOnly = true })
	cancel()
	t.Logf("PostgreSQL %d: %d files of %d MB were left out, %d of %d MB are there; %d rounds of work meanwhile", c.primary.Major,
		snap.Left, snap.LeftBytes>>20, snap.Files, snap.Bytes>>20, <-worked)
	require.NotZero(t, snap.Left)
	c.dir = snap.Dir
}

// work goes on until ctx ends. It tells how often it went round.
func (c *catalogStory) work(ctx context.Context) (rounds int) {
	conn, err := c.primary.Connect(context.Background(), "dbname=app")
	if err != nil {
		return 0
	}
	defer conn.Close(context.Background())
	for ctx.Err() == nil {
		for _, statement := range []string{
			"VACUUM FULL pg_description", "CREATE TABLE w AS SELECT * FROM mat", "VACUUM FULL pg_class",
			"ALTER TABLE w ADD k int", "REINDEX TABLE pg_attribute", "DROP TABLE w", "VACUUM FULL pg_rewrite", "CHECKPOINT",
		} {
			if _, err := conn.Exec(context.Background(), statement); err != nil {
				return -1
			}
		}
		rounds++
	}
	return rounds
}

// verify compares the mirror with the primary, all databases or those that are named.
func (c *catalogStory) verify(t *testing.T, s *standby.Standby, databases ...string) {
	t.Helper()
	answers(t, s, c.primary, databases...)
	require.NoError(t, s.Catalog(t.Context(), func(cat *catalog.Catalog) error {
		db, err := cat.Database("app")
		require.NoError(t, err)
		elsewhere, err := db.Relation("public.elsewhere")
		require.NoError(t, err)
		require.ErrorIs(t, elsewhere.Scan(func(*catalog.Row) error { return nil }), catalog.ErrNoFile)
		return nil
	}))
	c.settle(t, s)
}

// settle has the mirror's files be what they should be.
func (c *catalogStory) settle(t *testing.T, s *standby.Standby) {
	t.Helper()
	c.primary.SQL(t, "CHECKPOINT")
	applied(t, s, c.primary)
}

// TestCatalogOnly: a mirror of the catalogs alone of a server with data answers as the server does, whatever happens to
// catalogs and other relations there.
func TestCatalogOnly(t *testing.T) {
	pgserver.EachMajor(t, func(t *testing.T, major int) {
		t.Parallel()
		full := major == pgserver.DefaultMajor && !testing.Short()
		rows := 10_000
		if full {
			rows = 100_000
		}
		c := newCatalogStory(t, major, rows)
		c.init(t)
		cfg := standby.Config{Dir: c.dir, Replay: standby.ReplayConfig{CacheBytes: 8 << 20, RestartTime: 1}}
		s, end := start(t, cfg)
		c.run(t, storyCatalogs)
		c.locked(t)
		c.run(t, storyUser)
		if full {
			c.verify(t, s)
		}
		c.run(t, storyDatabases)
		if full {
			c.settle(t, s)
		} else {
			c.verify(t, s, "app", "away", "in_third")
		}
		require.NoError(t, end())
		onlyCatalogFiles(t, c.dir, c.primary)

		if full {
			c.primary.SQL(t, "ALTER DATABASE template0 ALLOW_CONNECTIONS true")
			s, end = start(t, cfg)
			c.run(t, storyCatalogs[:strings.Index(storyCatalogs, "BEGIN;")])
			c.verify(t, s)
			require.NoError(t, end())
			onlyCatalogFiles(t, c.dir, c.primary)
		}
		wal, rest := diskUse(t, c.dir)
		t.Logf("PostgreSQL %d: %.1f MB on disk, besides %.1f MB in pg_wal", major, float64(rest)/1e6, float64(wal)/1e6)
		refusesToStart(t, c.dir, c.primary)
	})
}

// locked has a table move while somebody may be rewriting a catalog: it is kept until it is known whose file it is.
func (c *catalogStory) locked(t *testing.T) {
	conn, err := c.primary.Connect(t.Context(), "dbname=app")
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "BEGIN; LOCK pg_description IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	c.sql(t, "app", "ALTER TABLE elsewhere SET TABLESPACE pg_default; CHECKPOINT; ALTER TABLE elsewhere SET TABLESPACE second")
	_, err = conn.Exec(t.Context(), "REINDEX TABLE pg_description; COMMIT")
	require.NoError(t, err)
}

// TestCatalogOnlyKilled: a mirror that is killed at random moments goes on from what it has.
func TestCatalogOnlyKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short: kills need time in between")
	}
	t.Parallel()
	c := newCatalogStory(t, pgserver.DefaultMajor, 2000)
	c.init(t)
	k := newKilledOn(t, c.primary, c.dir)
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan int)
	go func() { worked <- c.work(ctx) }()
	kills := 4
	if pgserver.Long() {
		kills = 50
	}
	for range kills {
		k.kill(t)
		k.start(t)
	}
	require.NotZero(t, k.restartpoints(t))
	cancel()
	t.Logf("%d rounds of work", <-worked)
	c.run(t, storyDatabases)
	dump := dumpCatalogs(t, c.primary, "app", "away", "copied")
	c.primary.SQL(t, "CHECKPOINT") // else files that are gone may still be there
	end := c.primary.Value(t, "SELECT pg_current_wal_flush_lsn()")
	k.waitReplayed(t, standby.ApplicationName, end)
	require.NoError(t, k.child.Process.Signal(syscall.SIGTERM))
	require.NoError(t, k.child.Wait())
	onlyCatalogFiles(t, c.dir, c.primary)
	require.NoError(t, standby.ReadCatalog(t.Context(), c.dir, func(cat *catalog.Catalog) error {
		compareCatalogs(t, cat, dump)
		return nil
	}))
}

// TestCatalogOnlySize: what a mirror takes on disk goes with the catalogs, however much data there is.
func TestCatalogOnlySize(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short: 100 MB of data are made for it")
	}
	t.Parallel()
	rows := 200_000
	if pgserver.Long() {
		rows = 4_000_000
	}
	c := newCatalogStory(t, pgserver.DefaultMajor, 0)
	c.sql(t, "app", c.expand(`CREATE TABLE data (i int PRIMARY KEY, t text); ALTER TABLE data ALTER t SET STORAGE plain`))
	c.fill(t, rows/2)
	c.init(t)
	s, end := start(t, standby.Config{Dir: c.dir})
	c.fill(t, rows-rows/2)
	c.verify(t, s, "app")
	require.NoError(t, end())
	size := c.primary.Value(t, "SELECT pg_size_pretty(pg_database_size('app'))")
	wal, rest := diskUse(t, c.dir)
	catalogs := c.catalogSize(t)
	t.Logf("of a database of %s the mirror is %.1f MB on disk (the catalogs are %.1f MB), besides %.1f MB in pg_wal", size,
		float64(rest)/1e6, float64(catalogs)/1e6, float64(wal)/1e6)
	require.Less(t, rest, catalogs+catalogs/8+8<<20)
	require.Less(t, rest, int64(64<<20))
}

// fill adds rows of some 500 bytes.
func (c *catalogStory) fill(t *testing.T, rows int) {
	c.sql(t, "app", fmt.Sprintf(`INSERT INTO data SELECT n + i, repeat(md5(i::text), 14)
		FROM generate_series(1, %d) i, (SELECT count(*) AS n FROM data) d`, rows))
}

// catalogSize is what the catalogs of all databases take on the primary, in bytes.
func (c *catalogStory) catalogSize(t *testing.T) (total int64) {
	for i, row := range c.primary.SQL(t, "ALTER DATABASE template0 ALLOW_CONNECTIONS true; SELECT datname FROM pg_database") {
		sizes := databaseSQL(t, c.primary, row[0], fmt.Sprintf(`SELECT sum(pg_relation_size(oid, 'main') +
			pg_relation_size(oid, 'fsm') + pg_relation_size(oid, 'vm'))::bigint FROM pg_class
			WHERE oid < 16384 AND (reltablespace <> 1664 OR %d = 0)`, i))
		n, err := strconv.ParseInt(sizes[0][0], 10, 64)
		require.NoError(t, err)
		total += n
	}
	return total
}

// TestCatalogOnlyWaits: a snapshot waits for those who hold an exclusive lock on a catalog when it begins.
func TestCatalogOnlyWaits(t *testing.T) {
	t.Parallel()
	primary := pgserver.Start(t, pgserver.Options{})
	conn, err := primary.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "BEGIN; REINDEX TABLE pg_description")
	require.NoError(t, err)
	began := time.Now()
	go func() {
		time.Sleep(time.Second)
		_, _ = conn.Exec(context.Background(), "COMMIT")
	}()
	snap := initStandby(t, primary, func(cfg *standby.InitConfig) { cfg.CatalogOnly = true })
	require.Greater(t, time.Since(began), time.Second)
	s, _ := start(t, standby.Config{Dir: snap.Dir})
	answers(t, s, primary, "postgres")
	_, err = os.Stat(snap.Dir + "/backup_manifest")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = standby.Activate(t.Context(), standby.ActivateConfig{Dir: snap.Dir, Force: true})
	require.ErrorIs(t, err, pgdata.ErrCatalogOnly)
}
