"""Runs side by side: paired by sample, with the uncertainty of their differences."""
