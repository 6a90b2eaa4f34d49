"""Backends that answer requests: hf, openai, replay, chance, oracle."""
