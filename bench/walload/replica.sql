-- With wal_level = replica: records without what logical decoding needs; and old transactions go.
\restart wal_level=replica wal_log_hints=on max_connections=90
UPDATE h SET v = v + 1 WHERE id % 7 = 0;
UPDATE h SET t = t || 'suffix' WHERE id % 7 = 1;
UPDATE h SET t = 'prefix' || t WHERE id % 7 = 2;
DELETE FROM h WHERE id % 7 = 3;
CREATE TABLE replica AS SELECT * FROM h;
BEGIN;
INSERT INTO replica SELECT * FROM h;
TRUNCATE replica;
COMMIT;
DO $$ BEGIN FOR i IN 5000..5150 LOOP BEGIN
  INSERT INTO tp VALUES (i, 0);
EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$;
VACUUM FULL h;
COPY h TO ':dir/h2.copy';
CREATE TABLE copied2 (LIKE h);
COPY copied2 FROM ':dir/h2.copy';
\jump
-- Enough transactions for a new page of pg_xact and pg_commit_ts.
DO $$ BEGIN FOR i IN 6000..7500 LOOP BEGIN
  INSERT INTO tp VALUES (i, 0);
EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$;
VACUUM FREEZE;
\session t/template1
VACUUM FREEZE;
\session a
\close
UPDATE pg_database SET datistemplate = false WHERE datname = 'template0';
DROP DATABASE template0;
VACUUM FREEZE pg_database;
VACUUM FREEZE tp;
INSERT INTO tp VALUES (9000, 1);
