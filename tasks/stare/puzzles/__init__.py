"""Puzzles of the six kinds, each drawn from a seed, with a key that a solver has checked."""
