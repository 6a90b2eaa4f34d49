-- Errors of some runs by kind: their type and their message without numbers, hashes and directories; with how many there
-- are, and the first one in full.
SELECT
    run,
    coalesce(error.type, '') AS type,
    regexp_replace(
        regexp_replace(coalesce(error.message, ''), '(^|[\s''"(])/[^\s''":]+', '\1…', 'g'), '\b[0-9a-f]{8,}\b|[0-9]+', '#', 'g'
    ) AS kind,
    count(*) AS count,
    arg_min(id, rowid) AS id,
    arg_min(coalesce(error.message, ''), rowid) AS message,
    arg_min(coalesce(error.traceback, ''), rowid) AS traceback
FROM samples
WHERE run IN (SELECT unnest($runs)) AND error IS NOT NULL
GROUP BY ALL
ORDER BY run, count DESC, type, kind;
