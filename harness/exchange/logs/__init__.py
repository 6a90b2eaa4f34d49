"""Readers of other tools' logs: each turns files into `Log`s, one per task."""
