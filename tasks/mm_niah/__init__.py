"""MM-NIAH: needles of text and of picture in long interleaved documents."""
