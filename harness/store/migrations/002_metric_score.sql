-- What a metric is made of: a score of the samples, or `above/below`, a ratio of two; empty: the first score.
ALTER TABLE metrics ADD COLUMN score VARCHAR;
