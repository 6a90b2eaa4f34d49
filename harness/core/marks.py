"""Numbers that stand for the ids of many samples."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def mark(id_: str) -> int:
    """What stands for an id: 64 bits, within one process."""
    return hash(id_) & 0xFFFF_FFFF_FFFF_FFFF


def marks(ids: Iterable[str]) -> NDArray[np.uint64]:
    """Of each id."""
    import numpy as np

    return np.array(array("Q", map(mark, ids)), dtype=np.uint64)
