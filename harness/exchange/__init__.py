"""Finished runs in forms that other tools read."""
