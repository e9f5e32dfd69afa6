-- Sequences.
CREATE SEQUENCE s;
SELECT count(nextval('s')) FROM generate_series(1, 100);
SELECT setval('s', 5000);
ALTER SEQUENCE s INCREMENT 5;
CREATE TABLE ser (id serial, t text);
INSERT INTO ser (t) SELECT 'x' FROM generate_series(1, 100);
-- Tablespaces and databases.
\may
COPY (SELECT 1) TO PROGRAM 'mkdir -p :dir/ts1 :dir/ts2';
CREATE TABLESPACE ts1 LOCATION ':dir/ts1';
CREATE TABLESPACE ts2 LOCATION ':dir/ts2';
CREATE TABLE moved AS SELECT i AS id, repeat('m', 100) AS t FROM generate_series(1, 500) i;
CREATE INDEX ON moved (id);
ALTER TABLE moved SET TABLESPACE ts1;
ALTER INDEX moved_id_idx SET TABLESPACE ts2;
VACUUM moved;
CREATE EXTENSION IF NOT EXISTS bloom;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, a int[], p point, t text);
CREATE INDEX ON unlogged USING gin (a);
CREATE INDEX ON unlogged USING gist (p);
CREATE INDEX ON unlogged USING spgist (p);
CREATE INDEX ON unlogged USING hash (id);
CREATE INDEX ON unlogged USING brin (id);
CREATE INDEX ON unlogged USING bloom (id);
INSERT INTO unlogged SELECT i, ARRAY[i], point(i, i), i FROM generate_series(1, 100) i;
ALTER TABLE unlogged SET TABLESPACE ts1;
ALTER TABLE unlogged SET LOGGED;
ALTER TABLE unlogged SET UNLOGGED;
CREATE DATABASE db1;
CREATE DATABASE db2 TEMPLATE template0 TABLESPACE ts1;
\from 15
CREATE DATABASE db3 STRATEGY wal_log;
CREATE DATABASE db4 STRATEGY file_copy TABLESPACE ts2;
\all
ALTER DATABASE db1 SET TABLESPACE ts2;
\session x/db1
CREATE TABLE in_ts (a int) TABLESPACE ts1;
VACUUM FULL pg_class;
\session a
\close
DROP DATABASE db1;
DROP DATABASE db2;
DROP TABLE moved, unlogged;
\from 15
DROP DATABASE db4;
DROP DATABASE db3;
\all
DROP TABLESPACE ts1;
DROP TABLESPACE ts2;
-- Messages, restore points, switches, backups, settings.
SELECT pg_logical_emit_message(true, 'walmirror', 'transactional');
SELECT pg_logical_emit_message(false, 'walmirror', repeat('n', 300));
SELECT pg_logical_emit_message(false, '', '');
SELECT pg_create_restore_point('a restore point');
SELECT pg_switch_wal();
\until 14
SELECT pg_start_backup('label', true, false);
SELECT lsn FROM pg_stop_backup(false, false);
\from 15
SELECT pg_backup_start('label', true);
SELECT lsn FROM pg_backup_stop(false);
\all
ALTER SYSTEM SET full_page_writes = off;
SELECT pg_reload_conf();
CHECKPOINT;
SELECT pg_sleep(0.3);
CHECKPOINT;
INSERT INTO ser (t) VALUES ('no images');
ALTER SYSTEM RESET full_page_writes;
SELECT pg_reload_conf();
SELECT pg_sleep(0.3);
CHECKPOINT;
-- Running transactions, with more subtransactions than are kept, and locks.
BEGIN;
LOCK TABLE ser IN ACCESS EXCLUSIVE MODE;
INSERT INTO ser (t) VALUES ('locked');
SAVEPOINT one;
INSERT INTO ser (t) VALUES ('in one');
\session b
BEGIN;
INSERT INTO h (id) VALUES (70000);
\session c
CHECKPOINT;
\session b
DO $$ BEGIN FOR i IN 1..150 LOOP BEGIN
  INSERT INTO h (id) VALUES (70000 + i);
EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$;
\session c
CHECKPOINT;
\from 16
SELECT pg_log_standby_snapshot();
\all
\session a
ROLLBACK TO one;
COMMIT;
\session b
ROLLBACK;
\session a
-- Replication origins.
SELECT pg_replication_origin_create('elsewhere');
SELECT pg_replication_origin_advance('elsewhere', '0/AB0');
SELECT pg_replication_origin_session_setup('elsewhere');
BEGIN;
SELECT pg_replication_origin_xact_setup('1/1234ABC', '2024-02-03 04:05:06.07+00');
INSERT INTO ser (t) VALUES ('from elsewhere');
COMMIT;
BEGIN;
SELECT pg_replication_origin_xact_setup('1/1234ABD', '2024-02-03 04:05:07+00');
INSERT INTO ser (t) VALUES ('prepared elsewhere');
PREPARE TRANSACTION 'elsewhere';
COMMIT PREPARED 'elsewhere';
BEGIN;
SELECT pg_replication_origin_xact_setup('1/1234ABE', '2024-02-03 04:05:08+00');
INSERT INTO ser (t) VALUES ('undone elsewhere');
PREPARE TRANSACTION 'elsewhere';
ROLLBACK PREPARED 'elsewhere';
SELECT pg_replication_origin_session_reset();
SELECT pg_replication_origin_advance('elsewhere', '0/1000');
SELECT pg_replication_origin_drop('elsewhere');
-- Large objects, rules, temporary tables.
SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
CREATE TEMP TABLE temp AS SELECT i FROM generate_series(1, 100) i;
DROP TABLE temp;
