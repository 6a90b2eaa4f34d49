"""Sums whose answer is the next token: what is computed where, for the probe wait_peek."""
