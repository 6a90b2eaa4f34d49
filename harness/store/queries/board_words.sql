-- The words of some runs' samples: where each occurs in the question, the key or any answer. Samples are counted from 0 in
-- the order of board_items.sql; positions are NULL for words that more than $common of them have.
WITH items AS (
    SELECT id, row_number() OVER (ORDER BY length(id), id) - 1 AS place
    FROM (SELECT DISTINCT id FROM samples WHERE run IN (SELECT unnest($runs)))
), texts AS (
    SELECT DISTINCT id, left(answer, $longest) AS text FROM samples WHERE run IN (SELECT unnest($runs))
    UNION
    SELECT id, left(concat_ws(' ', any_value(details ->> 'question'), any_value(target)::VARCHAR), $longest)
    FROM samples WHERE run IN (SELECT unnest($runs)) GROUP BY id
), words AS (
    SELECT DISTINCT id, unnest(regexp_extract_all(lower(text), '[\p{L}\p{N}]+')) AS word FROM texts
)
SELECT word, CASE WHEN count(*) <= $common THEN list(place ORDER BY place) END AS found
FROM words JOIN items USING (id)
WHERE length(word) <= 40
GROUP BY word
ORDER BY encode(word);
