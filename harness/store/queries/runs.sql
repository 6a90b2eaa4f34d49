-- All runs, newest first, each with its primary metric.
SELECT
    r.*,
    m.name AS metric, m.value, m.stderr, m.low, m.high, m.n, m.clusters, m.higher_is_better, m.note
FROM runs AS r
LEFT JOIN (
    SELECT * FROM metrics WHERE "primary" QUALIFY row_number() OVER (PARTITION BY run ORDER BY rowid) = 1
) AS m USING (run)
ORDER BY r.started DESC NULLS LAST, r.run DESC;
