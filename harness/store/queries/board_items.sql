-- The samples that some runs of one set of records have in common or not: each once, in journal order of the first.
SELECT
    id, any_value(cluster) AS cluster, any_value("group") AS "group", any_value(target)::VARCHAR AS target,
    any_value(details ->> 'question') AS question, any_value(details ->> 'image') AS image,
    any_value(map_keys(scores)) AS scores
FROM samples
WHERE run IN (SELECT unnest($runs))
GROUP BY id
ORDER BY length(id), id;
