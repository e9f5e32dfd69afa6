-- A record of which the end is lost, and a promotion.
INSERT INTO tp VALUES (10000, 1);
CHECKPOINT;
INSERT INTO tp VALUES (10001, 1);
\tear
INSERT INTO tp VALUES (10002, 1);
\promote
INSERT INTO tp VALUES (10003, 1);
BEGIN;
CREATE TABLE on_two AS SELECT i FROM generate_series(1, 100) i;
COMMIT;
SELECT pg_switch_wal();
INSERT INTO tp VALUES (10004, 1);
