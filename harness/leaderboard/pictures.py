"""Where pages get pictures from: files of the site, or, on this machine only, the records themselves."""

from __future__ import annotations

import hashlib
from pathlib import Path
from secrets import token_hex
from typing import Protocol

from harness.core.errors import HarnessError
from harness.core.picture import Picture
from harness.leaderboard.render import Renderer

FOLDER = "pictures"


class Pictures(Protocol):
    """Gives a picture an address."""

    def link(self, picture: Picture) -> str | None:
        """Relative to the site's top; None for a picture that cannot be shown."""
        ...


class Files:
    """Written once each below `pictures/`, named by their bytes."""

    def __init__(self, site: Renderer):
        self.site = site

    def link(self, picture: Picture) -> str | None:
        try:
            kind, data = picture.portable()
        except HarnessError:
            return None
        suffix = kind.removeprefix("image/").replace("jpeg", "jpg")
        path = f"{FOLDER}/{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
        if path not in self.site.written:
            self.site.bytes(path, data)
        return path


class Nowhere:
    """Pictures are left out."""

    def link(self, picture: Picture) -> str | None:
        return None


class Private:
    """Read from the records when a reader on this machine asks for one; nothing is written."""

    def __init__(self) -> None:
        self._base = f"private/{token_hex(4)}/"
        """Of this process: what a browser keeps is never taken for a picture of another one."""
        self._held: list[Picture] = []
        self._known: dict[Picture | Path, str] = {}

    def link(self, picture: Picture) -> str | None:
        key = picture.source if isinstance(picture.source, Path) else picture
        if key not in self._known:
            self._known[key] = f"{self._base}{len(self._held)}"
            self._held.append(picture)
        return self._known[key]

    def read(self, path: str) -> tuple[str, bytes] | None:
        """(MIME type, bytes) of an address that `link` gave; None for any other, or a picture that is not there."""
        number = path.removeprefix(self._base)
        if path == number or not number.isascii() or not number.isdigit() or int(number) >= len(self._held):
            return None
        try:
            return self._held[int(number)].portable()
        except HarnessError:
            return None
