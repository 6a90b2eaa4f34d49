"""A picture that is read when it is needed."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import Unusable, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

Read = TypeVar("Read")


class Picture:
    """A picture that is read when it is needed: encoded bytes, or the path of a file.

    Two pictures with the same encoded bytes are the same picture (`digest`, SHA-256 in hex). A file that cannot be
    read is identified by its name, so that answers about pictures that are not here can still be scored.
    """

    _sound = False

    def __init__(self, source: bytes | str | Path):
        self.source = source if isinstance(source, bytes) else Path(source)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the encoded bytes, in hex; of the name where the file cannot be read."""
        try:
            return hashlib.sha256(self.encoded()).hexdigest()
        except Unusable:
            return hashlib.sha256(f"unread {Path(str(self.source)).name}".encode()).hexdigest()

    def encoded(self) -> bytes:
        """The encoded bytes (PNG, JPEG, ...). Raises Unusable if the file cannot be read."""
        if isinstance(self.source, bytes):
            return self.source
        try:
            if not stat.S_ISREG(self.source.stat().st_mode):  # a named pipe never ends
                raise Unusable(f"picture {self.source} cannot be read: not a regular file")
            return self.source.read_bytes()
        except (OSError, ValueError) as e:
            raise Unusable(f"picture {self.source} cannot be read: {getattr(e, 'strerror', None) or e}") from e

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels as `load` shows it, read from the header. Raises Unusable where `load` does."""
        from harness.core import pixels

        return self._read(pixels.extent)

    def load(self) -> Image:
        """The decoded picture as a person sees it, RGB (`harness.core.pixels.seen`). Raises Unusable if it is
        truncated, no picture, or too large."""
        from harness.core import pixels

        return self._read(pixels.decoded)

    def portable(self) -> tuple[str, bytes]:
        """(MIME type, encoded bytes) that servers and browsers take and show as `load` does: the picture's own bytes,
        or a PNG of what they show. Raises Unusable where `load` does."""
        from harness.core import pixels

        return self._read(pixels.portable)

    def _read(self, how: Callable[[bytes, str], Read]) -> Read:
        """What `how` makes of the encoded bytes and of what to call the picture. Raises Unusable, which names it."""
        data = self.encoded()
        called = f"picture {self._where(data)}"
        try:
            return how(data, called)
        except Unusable as e:
            raise Unusable(f"{called} is {e}") from e
        except Exception as e:
            raise Unusable(f"{called} cannot be decoded: {first_line(e)}") from e

    def _where(self, data: bytes) -> str:
        return str(self.source) if isinstance(self.source, Path) else f"of {len(data)} bytes"

    def check(self) -> None:
        """Decode the picture as a trial, once. Raises Unusable where `load` does."""
        if not self._sound:
            self.load()
            self._sound = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and (self.source == other.source or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Picture({self.source if isinstance(self.source, Path) else f'{len(self.source)} bytes'})"
