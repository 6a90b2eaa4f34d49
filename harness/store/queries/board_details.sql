-- What some run noted about each sample of one set of records.
SELECT id, any_value(details)::VARCHAR AS details FROM samples WHERE run IN (SELECT unnest($runs)) GROUP BY id;
