"""Evaluates a task: plan, schedule, executors, early stopping, rescoring, tuning."""
