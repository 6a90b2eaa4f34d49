"""Needle in a haystack, text: facts planted in a long context, and asked for."""
