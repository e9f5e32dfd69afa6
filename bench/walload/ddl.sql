-- Definitions: made, changed, dropped, undone and lost, with the catalogs' own maintenance in between.
\session d
CREATE SCHEMA app;
CREATE SCHEMA gone;
CREATE ROLE owner1;
CREATE ROLE member1 IN ROLE owner1;
ALTER ROLE owner1 SET search_path = app, public;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
ALTER TYPE app.mood ADD VALUE 'happy' AFTER 'ok';
CREATE TYPE app.pair AS (a int, b text);
ALTER TYPE app.pair ADD ATTRIBUTE c numeric;
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE app.ids INCREMENT 3 CACHE 10;
-- Tables with columns of many kinds, defaults, constraints, long values.
CREATE TABLE app.customers (
  id int PRIMARY KEY DEFAULT nextval('app.ids'), name text NOT NULL, mood app.mood DEFAULT 'ok', p app.pair,
  since timestamptz DEFAULT '2020-01-01', doc text, UNIQUE (name));
INSERT INTO app.customers (name, doc) SELECT 'customer ' || i, repeat(md5(i::text), 200) FROM generate_series(1, 300) i;
CREATE TABLE app.orders (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES app.customers ON DELETE CASCADE,
  amount app.positive, tags text[], at point, during int4range, note text);
INSERT INTO app.orders (customer, amount, tags, at, during, note)
  SELECT (SELECT min(id) FROM app.customers) + 3 * (i % 300), i, ARRAY['t' || i % 17, 'u' || i % 5],
    point(i % 31, i / 31), int4range(i, i + 10), 'note ' || i FROM generate_series(1, 3000) i;
CREATE INDEX orders_customer ON app.orders (customer);
CREATE INDEX orders_tags ON app.orders USING gin (tags);
CREATE INDEX orders_at ON app.orders USING gist (at);
CREATE INDEX orders_at2 ON app.orders USING spgist (at);
CREATE INDEX orders_note ON app.orders USING hash (note);
CREATE INDEX orders_brin ON app.orders USING brin (id) WITH (pages_per_range = 4);
CREATE INDEX orders_part ON app.orders (amount) INCLUDE (note) WHERE amount > 1000;
CREATE INDEX orders_expr ON app.orders (lower(note), (amount % 10));
CREATE STATISTICS app.orders_stats ON customer, amount FROM app.orders;
ANALYZE app.orders;
-- Views, rules, triggers, functions, casts, operators, policies, comments.
CREATE VIEW app.rich AS SELECT c.name, sum(o.amount) AS total FROM app.customers c JOIN app.orders o ON o.customer = c.id
  GROUP BY c.name;
CREATE OR REPLACE VIEW app.rich AS SELECT c.name, sum(o.amount) AS total, count(*) AS n
  FROM app.customers c JOIN app.orders o ON o.customer = c.id GROUP BY c.name;
CREATE MATERIALIZED VIEW app.summary AS SELECT customer, sum(amount) AS total FROM app.orders GROUP BY customer;
CREATE UNIQUE INDEX ON app.summary (customer);
REFRESH MATERIALIZED VIEW app.summary;
UPDATE app.orders SET amount = amount + 1 WHERE id % 3 = 0;
REFRESH MATERIALIZED VIEW CONCURRENTLY app.summary;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.note := NEW.note || '!'; RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
UPDATE app.orders SET amount = amount + 1 WHERE id % 7 = 0;
CREATE FUNCTION app.double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE OR REPLACE FUNCTION app.double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $1';
CREATE PROCEDURE app.proc(n int) LANGUAGE plpgsql AS $$ BEGIN
  FOR i IN 1..n LOOP INSERT INTO app.customers (name) VALUES ('proc ' || i); COMMIT; END LOOP;
END $$;
CALL app.proc(10);
CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE OPERATOR app.### (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
CREATE FUNCTION app.mood_of(int) RETURNS app.mood LANGUAGE sql AS 'SELECT ''ok''::app.mood';
CREATE CAST (int AS app.mood) WITH FUNCTION app.mood_of(int);
CREATE RULE no_delete AS ON DELETE TO app.customers WHERE old.name LIKE 'proc%' DO INSTEAD NOTHING;
ALTER TABLE app.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.customers TO owner1 USING (name = current_user);
COMMENT ON TABLE app.orders IS 'what was ordered';
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA app TO owner1;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO member1;
CREATE TEXT SEARCH CONFIGURATION app.words (COPY = simple);
CREATE COLLATION app.c2 (locale = 'C');
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER far FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE app.far (a int) SERVER far;
CREATE PUBLICATION ddl_pub FOR TABLE app.orders;
CREATE FUNCTION app.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION app.watch();
-- Changes that do and do not write the table anew.
ALTER TABLE app.orders ADD COLUMN extra int DEFAULT 7;
ALTER TABLE app.orders ADD COLUMN stamp timestamptz DEFAULT clock_timestamp();
ALTER TABLE app.orders ALTER COLUMN note TYPE varchar(100);
ALTER TABLE app.orders ALTER COLUMN extra TYPE bigint;
ALTER TABLE app.orders RENAME COLUMN extra TO more;
ALTER TABLE app.orders DROP COLUMN more;
ALTER TABLE app.orders SET (fillfactor = 70);
ALTER TABLE app.orders ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;
ALTER TABLE app.orders VALIDATE CONSTRAINT positive;
ALTER TABLE app.customers ALTER COLUMN doc SET STORAGE EXTERNAL;
UPDATE app.customers SET doc = doc || 'more' WHERE id % 4 = 0;
CLUSTER app.orders USING orders_customer;
VACUUM FULL app.customers;
REINDEX TABLE app.orders;
REINDEX INDEX CONCURRENTLY app.orders_tags;
CREATE INDEX CONCURRENTLY orders_late ON app.orders (amount, customer);
DROP INDEX CONCURRENTLY app.orders_late;
DROP EVENT TRIGGER watch;
-- Partitions and inheritance.
CREATE TABLE app.events (id int, day date, body text) PARTITION BY RANGE (day);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM ('2020-02-01') TO ('2020-03-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE INDEX ON app.events (id);
INSERT INTO app.events SELECT i, date '2020-01-01' + i % 90, 'event ' || i FROM generate_series(1, 2000) i;
UPDATE app.events SET day = day + 31 WHERE id % 10 = 0;
ALTER TABLE app.events DETACH PARTITION app.events_2;
DROP TABLE app.events_1;
CREATE TABLE app.child (x int) INHERITS (app.customers);
INSERT INTO app.child (name, x) SELECT 'child ' || i, i FROM generate_series(1, 50) i;
ALTER TABLE app.child NO INHERIT app.customers;
-- The visibility map and the free space map, and the end of a table cut off.
DELETE FROM app.orders WHERE id > 1500;
VACUUM app.orders;
INSERT INTO app.orders (customer, amount, note) SELECT NULL, i, 'again ' || i FROM generate_series(1, 200) i;
VACUUM (FREEZE, ANALYZE) app.orders;
TRUNCATE app.events;
CREATE TEMP TABLE temporary (a int PRIMARY KEY, t text);
INSERT INTO temporary SELECT i, repeat('t', 100) FROM generate_series(1, 500) i;
DROP TABLE temporary;
CREATE UNLOGGED TABLE app.unlogged (a serial PRIMARY KEY, t text);
INSERT INTO app.unlogged (t) SELECT repeat('u', 100) FROM generate_series(1, 500) i;
-- Large objects.
SELECT lo_from_bytea(70000, decode(repeat('ab', 20000), 'hex'));
SELECT lo_put(70000, 10000, decode(repeat('cd', 5000), 'hex'));
SELECT lo_from_bytea(70001, 'short');
SELECT lo_unlink(70001);
-- Catalogs written anew: shared ones and mapped ones.
VACUUM FULL pg_class;
VACUUM FULL pg_attribute;
VACUUM FULL pg_database;
VACUUM FULL pg_authid;
VACUUM FULL pg_type;
VACUUM FULL pg_proc;
VACUUM FULL pg_depend;
REINDEX TABLE pg_class;
REINDEX TABLE pg_shdepend;
VACUUM pg_attribute;
VACUUM;
-- Subtransactions: kept, undone, many, each with definitions.
BEGIN;
CREATE TABLE gone.outer_kept (a int PRIMARY KEY);
SAVEPOINT s1;
CREATE TABLE gone.inner_undone (a int PRIMARY KEY, t text);
INSERT INTO gone.inner_undone SELECT i, 'x' FROM generate_series(1, 1000) i;
ROLLBACK TO s1;
SAVEPOINT s2;
CREATE TABLE gone.inner_kept (a int PRIMARY KEY, t text);
INSERT INTO gone.inner_kept SELECT i, 'x' FROM generate_series(1, 1000) i;
SAVEPOINT s3;
DROP TABLE gone.outer_kept;
ROLLBACK TO s3;
RELEASE s2;
COMMIT;
DO $$ BEGIN
  FOR i IN 1..120 LOOP
    BEGIN
      EXECUTE format('CREATE TABLE gone.t%s (id serial PRIMARY KEY, v text)', i);
      EXECUTE format('CREATE VIEW gone.v%s AS SELECT v FROM gone.t%s', i, i);
      IF i % 5 = 0 THEN RAISE EXCEPTION 'undone'; END IF;
      EXECUTE format('INSERT INTO gone.t%s (v) SELECT md5(i::text) FROM generate_series(1, 50) i', i);
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
  END LOOP;
END $$;
-- Transactions undone.
BEGIN;
CREATE TABLE gone.aborted AS SELECT * FROM app.orders;
CREATE INDEX ON gone.aborted USING gin (tags);
DROP TABLE app.events CASCADE;
ALTER TABLE app.orders ADD COLUMN never int DEFAULT 5;
TRUNCATE app.customers CASCADE;
ROLLBACK;
-- Prepared transactions: definitions that are committed, undone, and committed after a restart.
BEGIN;
CREATE TABLE app.prepared (a int PRIMARY KEY, t text);
INSERT INTO app.prepared SELECT i, 'p' FROM generate_series(1, 100) i;
DROP TABLE gone.t1 CASCADE;
PREPARE TRANSACTION 'ddl kept';
COMMIT PREPARED 'ddl kept';
BEGIN;
CREATE TABLE app.unprepared AS SELECT i FROM generate_series(1, 100) i;
DROP TABLE gone.t2 CASCADE;
PREPARE TRANSACTION 'ddl undone';
ROLLBACK PREPARED 'ddl undone';
BEGIN;
CREATE TABLE app.late (a int PRIMARY KEY);
SAVEPOINT s;
INSERT INTO app.late SELECT i FROM generate_series(1, 100) i;
PREPARE TRANSACTION 'ddl late';
CHECKPOINT;
-- Databases and tablespaces.
\may
COPY (SELECT 1) TO PROGRAM 'mkdir -p :dir/ddl1 :dir/ddl2 :dir/ddl3';
CREATE TABLESPACE ddl1 LOCATION ':dir/ddl1';
CREATE TABLESPACE ddl2 LOCATION ':dir/ddl2' WITH (random_page_cost = 2);
CREATE TABLESPACE ddl3 LOCATION ':dir/ddl3';
ALTER TABLESPACE ddl2 RENAME TO ddl2b;
CREATE TABLE app.spaced (a int PRIMARY KEY, t text) TABLESPACE ddl1;
INSERT INTO app.spaced SELECT i, repeat('s', 50) FROM generate_series(1, 1000) i;
ALTER TABLE app.spaced SET TABLESPACE ddl2b;
ALTER TABLE ALL IN TABLESPACE ddl2b SET TABLESPACE ddl3;
DROP TABLESPACE ddl2b;
CREATE DATABASE ddl_a;
CREATE DATABASE ddl_b TEMPLATE ddl_a TABLESPACE ddl1;
CREATE DATABASE ddl_c TEMPLATE template1;
ALTER DATABASE ddl_a RENAME TO ddl_z;
ALTER DATABASE ddl_z SET TABLESPACE ddl3;
\session e/ddl_z
CREATE TABLE here (a serial PRIMARY KEY, t text);
INSERT INTO here (t) SELECT md5(i::text) FROM generate_series(1, 2000) i;
VACUUM FULL pg_class;
VACUUM;
\session f/ddl_c
CREATE TABLE there AS SELECT i AS a FROM generate_series(1, 5000) i;
\close
\session d
DROP DATABASE ddl_c;
CREATE DATABASE ddl_d TEMPLATE ddl_z;
DROP DATABASE ddl_b;
\from 15
CREATE DATABASE ddl_w TEMPLATE ddl_z STRATEGY wal_log;
CREATE DATABASE ddl_f TEMPLATE ddl_z STRATEGY file_copy TABLESPACE ddl1;
\all
\restart
\session d
COMMIT PREPARED 'ddl late';
-- Dropped.
DROP MATERIALIZED VIEW app.summary;
DROP TABLE app.child, app.late;
DROP INDEX app.orders_brin;
DROP OWNED BY owner1, member1;
DROP ROLE member1;
DROP SERVER far CASCADE;
DROP SCHEMA gone CASCADE;
-- A crash in the middle: one transaction open, one just committed, one prepared.
\session g
BEGIN;
CREATE TABLE app.lost (a int PRIMARY KEY, t text);
INSERT INTO app.lost SELECT i, repeat('l', 100) FROM generate_series(1, 2000) i;
DELETE FROM app.customers WHERE id % 10 = 1;
\session d
BEGIN;
CREATE TABLE app.survivor (a int PRIMARY KEY);
INSERT INTO app.survivor SELECT i FROM generate_series(1, 500) i;
PREPARE TRANSACTION 'ddl crash';
SET synchronous_commit = on;
CREATE TABLE app.last (a int PRIMARY KEY, t text);
INSERT INTO app.last SELECT i, 'last' FROM generate_series(1, 100) i;
\crash
\session d
INSERT INTO app.last SELECT i, 'later' FROM generate_series(101, 300) i;
COMMIT PREPARED 'ddl crash';
VACUUM app.customers;
VACUUM FULL pg_class;
-- One stays prepared for good.
BEGIN;
CREATE TABLE app.pending (a int PRIMARY KEY);
INSERT INTO app.pending SELECT i FROM generate_series(1, 100) i;
SAVEPOINT s;
UPDATE app.last SET t = 'pending' WHERE a = 1;
PREPARE TRANSACTION 'ddl pending';
