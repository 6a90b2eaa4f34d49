-- Journals ($paths, JSON lines) into `samples`; the folder of each names its run. Any unreadable row fails the whole
-- statement.
INSERT INTO samples
SELECT
    parse_path(filename)[-2],
    CASE WHEN id IS NULL THEN error('a row has no id') ELSE id END,
    cluster, "group", target, answer, verdict, scores, error, details,
    prompt, prompt_tokens, new_tokens, latency, finish, calls
FROM read_json(
    $paths::VARCHAR[],
    filename = true,
    format = 'newline_delimited',
    maximum_object_size = $longest,
    columns = {
        id: 'VARCHAR', cluster: 'VARCHAR', "group": 'VARCHAR', target: 'JSON', answer: 'VARCHAR', verdict: 'VARCHAR',
        scores: 'MAP(VARCHAR, DOUBLE)', error: 'STRUCT("type" VARCHAR, message VARCHAR, traceback VARCHAR)',
        details: 'JSON', prompt: 'VARCHAR', prompt_tokens: 'BIGINT', new_tokens: 'BIGINT', latency: 'DOUBLE',
        finish: 'VARCHAR', calls: 'BIGINT'
    }
);
