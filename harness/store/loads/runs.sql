INSERT INTO runs BY NAME
SELECT * FROM read_json(
    $path,
    format = 'newline_delimited',
    maximum_object_size = $longest,
    columns = {
        run: 'VARCHAR', status: 'VARCHAR', task: 'VARCHAR', task_version: 'VARCHAR', data: 'VARCHAR', model: 'VARCHAR',
        model_fingerprint: 'VARCHAR', method: 'VARCHAR', methods: 'VARCHAR[]', decoding: 'JSON', seed: 'BIGINT',
        "limit": 'BIGINT', samples: 'BIGINT', done: 'BIGINT', errors: 'BIGINT', requests: 'BIGINT', asked: 'BIGINT',
        started: 'TIMESTAMP', finished: 'TIMESTAMP', wall_seconds: 'DOUBLE', cpu_seconds: 'DOUBLE',
        peak_memory_bytes: 'BIGINT', passes: 'BIGINT', positions: 'BIGINT', command: 'VARCHAR',
        identity: 'JSON', task_facts: 'JSON', model_facts: 'JSON'
    }
);
