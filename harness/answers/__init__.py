"""Answers that another program has written: reading its file, finding its fields, matching its rows to samples."""

from harness.answers.given import Given, Settings, given

__all__ = ["Given", "Settings", "given"]
