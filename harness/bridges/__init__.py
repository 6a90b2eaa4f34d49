"""To lm-eval and lmms-eval: their tasks here (with tasks/lm_eval, tasks/lmms_eval), our methods in their tools."""
