-- One run's answers, for pages of samples. Details without what is shown elsewhere; NULL where nothing is left.
SELECT
    id, answer, verdict, scores, error.type AS fault, error.message AS message, latency, new_tokens, prompt,
    prompt_tokens, finish,
    nullif(json_merge_patch(details, '{"question": null, "image": null}')::VARCHAR, '{}') AS details
FROM samples WHERE run = $run;
