-- Finished whole runs of a task in the order of their commits, with primary metric and speed: that of a run which scores
-- another one's answers anew is the other's.
SELECT
    r.run, r.data, r.model, r.method, r.task_version, r.decoding::VARCHAR AS decoding, r.seed, r."limit", e.config,
    concat_ws(
        ', ',
        'ids ' || left(json_extract_string(r.identity, '$.ids.digest'), 6),
        'offset ' || json_extract_string(r.identity, '$.offset'),
        'system ' || left(sha256(json_extract_string(r.identity, '$.system')), 6),
        json_extract_string(r.identity, '$.fewshot.count') || ' examples '
            || left(json_extract_string(r.identity, '$.fewshot.digest'), 6)
    ) AS apart,
    coalesce(e.git_committed, r.started) AS moment, e.git_commit AS commit, e.git_dirty AS dirty,
    json_extract_string(e.hardware, '$.cpu') || ' x ' || json_extract_string(e.hardware, '$.cores') AS cpu,
    json_extract_string(e.hardware, '$.gpu') AS gpu,
    m.name AS metric, m.value, m.stderr, m.low, m.high, m.n, m.higher_is_better, m.score,
    CASE WHEN json_extract_string(r.task_facts, '$.rescored_from') IS NULL THEN s.seconds END AS seconds
FROM runs AS r
JOIN environment AS e USING (run)
JOIN (
    SELECT * FROM metrics WHERE "primary" QUALIFY row_number() OVER (PARTITION BY run ORDER BY rowid) = 1
) AS m USING (run)
LEFT JOIN (SELECT run, avg(latency) AS seconds FROM samples WHERE latency > 0 AND isfinite(latency) GROUP BY run) AS s USING (run)
WHERE r.task = $task AND r.status IN ('done', 'partial') AND r.errors <= 0.01 * r.samples AND r.done >= 0.99 * r.samples
    AND isfinite(m.value)
ORDER BY moment, r.started, r.run;
