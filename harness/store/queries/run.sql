-- One run with what it ran on.
SELECT r.*, e.* EXCLUDE (run) FROM runs AS r LEFT JOIN environment AS e USING (run) WHERE r.run = $run;
