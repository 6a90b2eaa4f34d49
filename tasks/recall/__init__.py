"""Recall over synthetic tokens: associative recall, needles, passkeys, selective copying and state tracking."""
