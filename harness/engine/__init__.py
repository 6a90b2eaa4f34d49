"""Plays a task: identity, journal, schedule, evaluate."""
