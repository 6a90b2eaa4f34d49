-- Every ended run with its primary metric, its environment, and what a sample cost.
SELECT
    r.*, e.* EXCLUDE (run),
    m.name AS metric, m.value, m.stderr, m.low, m.high, m.n, m.clusters, m.higher_is_better, m.note, m.score,
    s.seconds, s.new_tokens
FROM runs AS r
LEFT JOIN environment AS e USING (run)
LEFT JOIN (
    SELECT * FROM metrics WHERE "primary" QUALIFY row_number() OVER (PARTITION BY run ORDER BY rowid) = 1
) AS m USING (run)
LEFT JOIN (
    SELECT run, avg(latency) FILTER (latency > 0 AND isfinite(latency)) AS seconds, avg(new_tokens) AS new_tokens FROM samples GROUP BY run
) AS s USING (run)
WHERE r.status IN ('done', 'partial', 'failed')
ORDER BY r.started, r.run;
