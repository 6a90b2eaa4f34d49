-- Version 1 of harness.duckdb. Never change a released version here: add migrations/002_<what>.sql, which is applied
-- after this file to new and old databases alike.
--
-- One row of `runs` and `environment` per run directory; `metrics` and `samples` hang on `run`. There are no keys:
-- all writers pass through harness.store.ingest, which replaces a run as a whole, and an index would only slow it down.

CREATE TABLE schema_version (version INTEGER NOT NULL);

CREATE TABLE runs (
    run VARCHAR NOT NULL,                 -- name of its directory under results/runs/
    status VARCHAR NOT NULL,              -- running, done, partial, interrupted, failed
    task VARCHAR NOT NULL,
    task_version VARCHAR,
    data VARCHAR,                         -- dataset variant
    model VARCHAR NOT NULL,
    model_fingerprint VARCHAR,
    method VARCHAR NOT NULL,              -- joined by '+', 'vanilla' when there is none
    methods VARCHAR[],
    decoding JSON,
    seed BIGINT,
    "limit" BIGINT,                       -- NULL: all samples
    samples BIGINT,                       -- planned
    done BIGINT,
    errors BIGINT,
    requests BIGINT,
    asked BIGINT,                         -- requests that reached the model
    started TIMESTAMP,                    -- UTC
    finished TIMESTAMP,                   -- UTC
    wall_seconds DOUBLE,
    cpu_seconds DOUBLE,
    peak_memory_bytes BIGINT,             -- of the GPUs where there are any, else of the process
    passes BIGINT,                        -- rows x decoder calls, of samples, contrast streams and peeks
    positions BIGINT,                     -- tokens in them, padding included
    command VARCHAR,
    identity JSON,                        -- what its name's hash covers
    task_facts JSON,
    model_facts JSON
);

CREATE TABLE environment (
    run VARCHAR NOT NULL,
    python VARCHAR,
    platform VARCHAR,
    packages MAP(VARCHAR, VARCHAR),       -- name -> version
    hardware JSON,                        -- cpu, cores, memory_gib, gpu
    git_commit VARCHAR,                   -- NULL outside a checkout
    git_committed TIMESTAMP,              -- UTC
    git_dirty BOOLEAN,
    config JSON                           -- resolved
);

CREATE TABLE metrics (
    run VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    "group" VARCHAR NOT NULL,             -- reporting split, 'all' over all of them
    value DOUBLE,                         -- NaN where undefined
    stderr DOUBLE,
    low DOUBLE,                           -- 95 % interval; NULL where no honest one exists
    high DOUBLE,
    n BIGINT,
    clusters BIGINT,
    "primary" BOOLEAN NOT NULL,
    higher_is_better BOOLEAN,             -- NULL: neither
    note VARCHAR
);

CREATE TABLE samples (
    run VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    cluster VARCHAR,
    "group" VARCHAR,
    target JSON,
    answer VARCHAR,
    verdict VARCHAR,
    scores MAP(VARCHAR, DOUBLE),          -- scores['correct'] = 0
    error STRUCT("type" VARCHAR, message VARCHAR, traceback VARCHAR),  -- NULL when scored
    details JSON,
    prompt VARCHAR,                       -- SHA-256 of everything asked
    prompt_tokens BIGINT,
    new_tokens BIGINT,
    latency DOUBLE,                       -- seconds
    finish VARCHAR,
    calls BIGINT
);
