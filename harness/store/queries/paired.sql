-- The scores of two runs, sample by sample, where both asked the same.
SELECT a.id, a.cluster, a.scores AS a, b.scores AS b
FROM samples AS a
JOIN samples AS b USING (id, prompt)
WHERE a.run = $a AND b.run = $b AND a.error IS NULL AND b.error IS NULL
ORDER BY a.rowid;
