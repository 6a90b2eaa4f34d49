"""STARE: spatial transformations and reasoning, with and without simulated intermediate pictures."""
