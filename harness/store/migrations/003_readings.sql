-- What probes read: one row a reading of a sample, of ended runs.
CREATE TABLE readings (
    run VARCHAR NOT NULL,
    id VARCHAR NOT NULL,                  -- the sample's
    name VARCHAR NOT NULL,                -- probe.reading
    axes VARCHAR[],                       -- layer, head, step, row, column, unit; empty: a number
    shape INTEGER[],
    box FLOAT[],                          -- of a map: the part of the picture that it covers, x0, y0, x1, y1 in 0..1
    value DOUBLE,                         -- the number, or the mean where it is defined; NULL: nowhere
    "values" FLOAT[]                      -- of an array, the last axis fastest; NULL for a number
);
