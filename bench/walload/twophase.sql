-- Transactions: nested, prepared, undone, with everything that their records can carry.
CREATE TABLE tp (id int PRIMARY KEY, v int);
INSERT INTO tp SELECT i, 0 FROM generate_series(1, 100) i;
BEGIN;
INSERT INTO tp VALUES (1000, 0);
PREPARE TRANSACTION 'plain';
COMMIT PREPARED 'plain';
BEGIN ISOLATION LEVEL SERIALIZABLE;
CREATE TABLE made (a int PRIMARY KEY, b text);
SELECT count(*) FROM tp WHERE id = 5;
SAVEPOINT one;
INSERT INTO made SELECT i, 'x' FROM generate_series(1, 100) i;
SAVEPOINT two;
DROP TABLE kept;
SELECT * FROM tp WHERE id = 7 FOR KEY SHARE;
RELEASE one;
PREPARE TRANSACTION 'with everything, committed';
CHECKPOINT;
COMMIT PREPARED 'with everything, committed';
BEGIN;
CREATE TABLE unmade AS SELECT i FROM generate_series(1, 100) i;
SAVEPOINT one;
DROP TABLE made;
UPDATE tp SET v = 1 WHERE id < 10;
PREPARE TRANSACTION 'with everything, undone';
ROLLBACK PREPARED 'with everything, undone';
-- A row lock of a prepared transaction joins a multixact.
BEGIN;
SELECT * FROM tp WHERE id = 20 FOR KEY SHARE;
PREPARE TRANSACTION 'locks';
BEGIN;
SELECT * FROM tp WHERE id = 20 FOR KEY SHARE;
UPDATE tp SET v = 2 WHERE id = 20;
PREPARE TRANSACTION 'locks too';
COMMIT PREPARED 'locks';
ROLLBACK PREPARED 'locks too';
-- Aborts: with files, with subtransactions, of a subtransaction with files.
BEGIN;
CREATE TABLE undone AS SELECT i FROM generate_series(1, 1000) i;
CREATE INDEX ON undone (i);
SAVEPOINT a;
CREATE TABLE undone2 (a int);
ROLLBACK TO a;
INSERT INTO tp VALUES (2000, 1);
SAVEPOINT b;
INSERT INTO tp VALUES (2001, 1);
RELEASE b;
ROLLBACK;
BEGIN;
SAVEPOINT a;
CREATE TABLE half (a int);
ROLLBACK TO a;
CREATE TABLE whole (a int);
COMMIT;
-- More subtransactions than one assignment holds.
DO $$ BEGIN FOR i IN 3000..3200 LOOP BEGIN
  INSERT INTO tp VALUES (i, 0);
EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$;
-- Commits that wait for nothing and for everything.
SET synchronous_commit = remote_apply;
INSERT INTO tp VALUES (4000, 1);
SET synchronous_commit = on;
INSERT INTO tp VALUES (4001, 1);
RESET synchronous_commit;
-- Invalidations of every kind: of catalogs, relations, snapshots, the relation map.
CREATE TYPE kind AS ENUM ('a', 'b');
ALTER TYPE kind ADD VALUE 'c';
CREATE ROLE somebody;
GRANT SELECT ON tp TO somebody;
ALTER ROLE somebody SET work_mem = '1MB';
REVOKE ALL ON tp FROM somebody;
DROP ROLE somebody;
CREATE PUBLICATION pub FOR TABLE tp;
ALTER PUBLICATION pub ADD TABLE h;
\from 18
ALTER PUBLICATION pub RENAME TO pub2;
ALTER PUBLICATION pub2 RENAME TO pub;
\all
DROP PUBLICATION pub;
CREATE SCHEMA sch;
CREATE TABLE sch.a (a int REFERENCES tp);
CREATE TABLE parted (id int, d int) PARTITION BY RANGE (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE parted2 PARTITION OF parted FOR VALUES FROM (1000) TO (1000000);
INSERT INTO parted SELECT i, i FROM generate_series(1, 1500) i;
UPDATE parted SET id = id + 1000 WHERE id < 200;
CREATE INDEX ON parted (d);
ALTER TABLE parted DETACH PARTITION parted1;
CREATE TABLE dropping AS SELECT i FROM generate_series(1, 10) i;
SELECT count(*) FROM dropping;
CREATE FUNCTION dropped() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
SET track_functions = 'all';
SELECT dropped();
DROP FUNCTION dropped();
DROP TABLE dropping;
DROP SCHEMA sch CASCADE;
-- A long commit record.
BEGIN;
DO $$ BEGIN FOR i IN 1..100 LOOP
  EXECUTE format('CREATE TABLE many%s (a int PRIMARY KEY)', i);
END LOOP; END $$;
COMMIT;
DO $$ BEGIN FOR i IN 1..100 LOOP
  EXECUTE format('DROP TABLE many%s', i);
END LOOP; END $$;
