-- One run's answers, for pages of samples.
SELECT
    id, answer, verdict, scores, error.type AS fault, error.message AS message, latency, new_tokens, prompt
FROM samples WHERE run = $run;
