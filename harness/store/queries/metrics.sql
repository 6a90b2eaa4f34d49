-- The metrics of one run, in the order in which its task gave them.
SELECT * EXCLUDE (run) FROM metrics WHERE run = $run ORDER BY rowid;
