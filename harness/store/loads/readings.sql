-- Readings of runs ($paths, Parquet) into `readings`; the folder of each names its run. A row without a name says that
-- probes read nothing of its sample.
INSERT INTO readings
SELECT parse_path(filename)[-2], id, name, axes, shape, box, value, "values"
FROM read_parquet($paths::VARCHAR[], filename = true)
WHERE name <> '';
