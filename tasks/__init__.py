"""Benchmarks, one folder each: task.yaml, the task's class, its scorer, its records and their generator."""
