"""Backends that answer requests: hf, replay, chance, oracle; tiny/ is the embedded model."""
