-- Everything staged in memory into the attached database `store`, instead of the runs named in `leaving`.
-- Runs inside the caller's transaction.
DELETE FROM store.readings WHERE run IN (SELECT run FROM leaving);
DELETE FROM store.samples WHERE run IN (SELECT run FROM leaving);
DELETE FROM store.metrics WHERE run IN (SELECT run FROM leaving);
DELETE FROM store.environment WHERE run IN (SELECT run FROM leaving);
DELETE FROM store.runs WHERE run IN (SELECT run FROM leaving);
INSERT INTO store.runs BY NAME SELECT * FROM memory.runs;
INSERT INTO store.environment BY NAME SELECT * FROM memory.environment;
INSERT INTO store.metrics BY NAME SELECT * FROM memory.metrics;
INSERT INTO store.samples BY NAME SELECT * FROM memory.samples;
INSERT INTO store.readings BY NAME SELECT * FROM memory.readings;
