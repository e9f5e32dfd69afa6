-- Heap, Heap2 and MultiXact, with wal_level = logical.
SELECT pg_create_logical_replication_slot('rewrites', 'pgoutput');
CREATE TABLE h (id int PRIMARY KEY, v int, t text) WITH (fillfactor = 80);
INSERT INTO h SELECT i, i, repeat('h', 50) FROM generate_series(1, 2000) i;
COPY h TO ':dir/h.copy';
CREATE TABLE copied (LIKE h);
COPY copied FROM ':dir/h.copy';
BEGIN;
CREATE TABLE frozen (LIKE h);
COPY frozen FROM ':dir/h.copy' (FREEZE);
COMMIT;
CREATE INDEX ON copied (v);
UPDATE h SET t = 'hot' WHERE id % 50 = 0;
UPDATE h SET v = v + 1, t = t || t WHERE id % 2 = 0;
UPDATE h SET id = -id WHERE id % 100 = 1;
DELETE FROM h WHERE id % 10 = 3;
ALTER TABLE copied REPLICA IDENTITY FULL;
UPDATE copied SET v = v + 1 WHERE id < 300;
DELETE FROM copied WHERE id BETWEEN 100 AND 200;
ALTER TABLE copied REPLICA IDENTITY NOTHING;
DELETE FROM copied WHERE id BETWEEN 200 AND 220;
VACUUM h;
VACUUM (FREEZE) copied;
-- Pruning on access: full pages with dead versions.
CREATE TABLE pruned (id int, v text) WITH (fillfactor = 50);
INSERT INTO pruned SELECT i, repeat('p', 500) FROM generate_series(1, 100) i;
UPDATE pruned SET v = repeat('q', 500);
UPDATE pruned SET v = repeat('r', 500);
UPDATE pruned SET v = repeat('s', 500);
SELECT count(*) FROM pruned;
VACUUM pruned;
-- Dead rows with and without indexes, all rows gone, aborted rows.
DELETE FROM pruned WHERE id > 50;
VACUUM pruned;
BEGIN;
INSERT INTO pruned SELECT i, 'aborted' FROM generate_series(1, 500) i;
ROLLBACK;
VACUUM pruned;
DELETE FROM h WHERE id > 1000;
VACUUM h;
CREATE TABLE versions (id int PRIMARY KEY, v int);
INSERT INTO versions SELECT i, 0 FROM generate_series(1, 50) i;
UPDATE versions SET v = 1 WHERE id % 3 = 0;
DELETE FROM versions WHERE id % 5 = 0;
VACUUM FREEZE versions;
-- TOAST: inline compressed, external, replaced, deleted.
CREATE TABLE toasted (id int PRIMARY KEY, b text);
ALTER TABLE toasted ALTER COLUMN b SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, repeat(md5(i::text), 500) FROM generate_series(1, 20) i;
UPDATE toasted SET b = repeat('b', 9000) WHERE id < 10;
DELETE FROM toasted WHERE id > 15;
VACUUM toasted;
-- Locks of one session, and speculative insertion.
BEGIN;
SELECT * FROM h WHERE id = 10 FOR UPDATE;
SELECT * FROM h WHERE id = 20 FOR NO KEY UPDATE;
SELECT * FROM h WHERE id = 30 FOR SHARE;
SELECT * FROM h WHERE id = 40 FOR KEY SHARE;
COMMIT;
INSERT INTO h VALUES (5000, 1, 'new'), (10, 1, 'old') ON CONFLICT DO NOTHING;
INSERT INTO h VALUES (5001, 1, 'new'), (10, 1, 'old') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
-- Locks of two sessions: multixacts, and a locked row that the other has updated.
CREATE TABLE m (id int PRIMARY KEY, v int);
INSERT INTO m SELECT i, 0 FROM generate_series(1, 4000) i;
BEGIN;
SELECT * FROM m WHERE id <= 20 FOR KEY SHARE;
UPDATE m SET v = 1 WHERE id BETWEEN 21 AND 30;
\session b
BEGIN;
SELECT * FROM m WHERE id <= 5 FOR SHARE;
SELECT * FROM m WHERE id BETWEEN 6 AND 10 FOR NO KEY UPDATE;
UPDATE m SET v = 2 WHERE id BETWEEN 11 AND 15;
SELECT * FROM m WHERE id BETWEEN 21 AND 25 FOR KEY SHARE;
SAVEPOINT s;
SELECT * FROM m WHERE id BETWEEN 21 AND 30 FOR KEY SHARE;
RELEASE s;
COMMIT;
\session a
COMMIT;
BEGIN;
SELECT * FROM m WHERE id BETWEEN 30 AND 35 FOR UPDATE;
SAVEPOINT s;
UPDATE m SET v = 3 WHERE id BETWEEN 30 AND 33;
DELETE FROM m WHERE id BETWEEN 34 AND 35;
COMMIT;
-- A row updated twice in a transaction that another locks through.
BEGIN;
UPDATE m SET v = 5 WHERE id = 50;
UPDATE m SET v = 6 WHERE id = 50;
\session b
BEGIN;
SELECT * FROM m WHERE id = 50 FOR KEY SHARE;
COMMIT;
\session a
ROLLBACK;
-- More multixacts than a page of each of their two files holds: a subtransaction for each row.
BEGIN;
SELECT count(*) FROM (SELECT * FROM m WHERE id > 100 FOR KEY SHARE) q;
DO $$ BEGIN FOR i IN 101..2300 LOOP BEGIN
  UPDATE m SET v = 9 WHERE id = i;
EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$;
\session b
CHECKPOINT;
\session a
COMMIT;
VACUUM m;
VACUUM FREEZE m;
-- Truncation in a new transaction, in the one that made the table, and by VACUUM.
TRUNCATE toasted, versions RESTART IDENTITY CASCADE;
BEGIN;
CREATE TABLE young (a int);
INSERT INTO young VALUES (1);
TRUNCATE young;
INSERT INTO young VALUES (2);
COMMIT;
DELETE FROM copied;
VACUUM copied;
-- Catalogs: NEW_CID, INPLACE, MULTI_INSERT, rewrites and maps of relations.
ALTER TABLE h ADD COLUMN extra int DEFAULT 7;
ALTER TABLE h ADD COLUMN random float DEFAULT random();
CREATE VIEW vh AS SELECT * FROM h;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON TABLE h IS 'commented';
ANALYZE h;
BEGIN;
CREATE TABLE catalogs (a int);
ALTER TABLE catalogs ADD b int;
ALTER TABLE catalogs ADD c int;
DROP TABLE catalogs;
COMMIT;
BEGIN;
CREATE TABLE kept (a int);
ALTER TABLE kept ADD b int;
UPDATE pg_class SET reltuples = 5 WHERE relname = 'kept';
UPDATE pg_class SET reltuples = 6 WHERE relname = 'kept';
COMMIT;
VACUUM FULL pg_class;
VACUUM FULL pg_attribute;
VACUUM FULL pg_database;
REINDEX TABLE pg_class;
VACUUM FULL h;
CLUSTER h USING h_pkey;
SELECT pg_drop_replication_slot('rewrites');
-- Images for comparison on every kind of record.
SET wal_consistency_checking = 'all';
INSERT INTO h (id, v, t) SELECT i, i, 'checked' FROM generate_series(10000, 10050) i;
UPDATE h SET v = 0 WHERE id > 10000;
DELETE FROM h WHERE id > 10040;
VACUUM h;
RESET wal_consistency_checking;
-- Images in every method of compression.
SET wal_compression = on;
CHECKPOINT;
UPDATE h SET v = v + 1 WHERE id % 20 = 0;
SET wal_compression = off;
\from 15
\may
SET wal_compression = lz4;
CHECKPOINT;
UPDATE h SET v = v + 1 WHERE id % 20 = 0;
\may
SET wal_compression = zstd;
CHECKPOINT;
UPDATE h SET v = v + 1 WHERE id % 20 = 0;
RESET wal_compression;
\all
-- Hint bits after a checkpoint.
INSERT INTO m SELECT i, 0 FROM generate_series(5000, 6000) i;
CHECKPOINT;
SELECT count(*) FROM m;
