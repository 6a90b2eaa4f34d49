INSERT INTO metrics BY NAME
SELECT * FROM read_json(
    $path,
    format = 'newline_delimited',
    maximum_object_size = $longest,
    columns = {
        run: 'VARCHAR', name: 'VARCHAR', "group": 'VARCHAR', value: 'DOUBLE', stderr: 'DOUBLE', low: 'DOUBLE',
        high: 'DOUBLE', n: 'BIGINT', clusters: 'BIGINT', "primary": 'BOOLEAN', higher_is_better: 'BOOLEAN',
        note: 'VARCHAR', score: 'VARCHAR'
    }
);
