-- The samples of one run in journal order. A NULL filter lets everything pass.
SELECT * EXCLUDE (run)
FROM samples
WHERE run = $run
    AND ($id::VARCHAR IS NULL OR id = $id)
    AND ($cluster::VARCHAR IS NULL OR cluster = $cluster)
    AND ($group::VARCHAR IS NULL OR "group" = $group)
    AND ($failed::BOOLEAN IS NULL OR (error IS NOT NULL) = $failed)
    AND ($score::VARCHAR IS NULL OR scores[$score] < $below)
ORDER BY rowid
LIMIT $limit OFFSET $offset;
