INSERT INTO environment BY NAME
SELECT * FROM read_json(
    $path,
    format = 'newline_delimited',
    maximum_object_size = $longest,
    columns = {
        run: 'VARCHAR', python: 'VARCHAR', platform: 'VARCHAR', packages: 'MAP(VARCHAR, VARCHAR)', hardware: 'JSON',
        git_commit: 'VARCHAR', git_committed: 'TIMESTAMP', git_dirty: 'BOOLEAN', config: 'JSON'
    }
);
