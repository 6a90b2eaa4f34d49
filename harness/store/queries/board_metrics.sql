-- All metrics of all runs, in the order in which the tasks gave them.
SELECT * FROM metrics ORDER BY run, rowid;
