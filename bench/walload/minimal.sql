-- With wal_level = minimal: new tables are not logged but synced.
\restart wal_level=minimal max_wal_senders=0
BEGIN;
CREATE TABLE mini (id int, p point, t text);
INSERT INTO mini SELECT i, point(i % 97, i / 97), repeat('x', i % 100) FROM generate_series(1, 3000) i;
CREATE INDEX ON mini USING gist (p);
CREATE INDEX ON mini (id);
INSERT INTO mini SELECT i, point(i % 97, i / 97), '' FROM generate_series(1, 500) i;
COMMIT;
UPDATE mini SET id = id + 1 WHERE id < 100;
DELETE FROM mini WHERE id < 50;
VACUUM mini;
\restart wal_level=logical max_wal_senders=10
