"""Every token sees every token (ViT, arXiv 2010.11929)."""

from __future__ import annotations

from harness.zoo.towers.pattern import Pattern


class Dense(Pattern):
    """Attention without a pattern."""
