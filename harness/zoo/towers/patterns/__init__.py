"""Patterns of attention in a tower, one file each."""
