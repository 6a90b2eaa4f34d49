"""Any task of lmms-eval: its YAML, prompts, pictures, scoring and aggregation, under our models and methods."""
