-- Samples of older journals with a score that is not a finite number, into `odd`.
CREATE OR REPLACE TEMP TABLE odd AS
SELECT DISTINCT run, id
FROM (SELECT run, id, unnest(map_values(scores)) AS value FROM samples WHERE error IS NULL)
WHERE value IS NULL OR NOT isfinite(value);
