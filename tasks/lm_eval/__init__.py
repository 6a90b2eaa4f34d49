"""Any task of lm-eval: its YAML, prompts, filters, scoring and aggregation, under our models and methods."""
