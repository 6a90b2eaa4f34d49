"""Numbers that stand for the ids of many samples."""

from __future__ import annotations


def mark(id_: str) -> int:
    """What stands for an id: 64 bits, within one process."""
    return hash(id_) & 0xFFFF_FFFF_FFFF_FFFF
