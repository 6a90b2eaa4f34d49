"""Templates to files. Everything that comes from results is escaped by Jinja; pages link relatively, so that the site
works below any path."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from harness.comparison.inside import titled
from harness.core.verified import LEVELS
from harness.leaderboard import fields
from harness.leaderboard.board import slug
from harness.leaderboard.figures.bars import bar
from harness.leaderboard.figures.svg import number
from harness.plugins.registry import ROOT

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)


def source() -> Path:
    """The folder with templates/ and assets/: of the checkout, or inside the installed package."""
    checkout = ROOT / "site"
    return checkout if (checkout / "templates").is_dir() else Path(__file__).parent / "site"


@cache
def environment(folder: Path) -> Any:
    """The templates of a folder, each compiled once in a process, and again when its file changes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "signed": signed, "ratio": ratio, "slug": slug, "percent": percent}
    made.filters |= {"abbreviated": abbreviated, "setting": setting}
    made.globals |= {"bar": bar, "most": fields.most, "titled": titled, "policy": POLICY, "levels": LEVELS}
    return made


class Renderer:
    """Renders pages and data, and writes them below `out`."""

    def __init__(self, out: Path, shared: dict[str, Any]):
        self.out, self.shared = out, shared
        self.written: dict[str, int] = {}

    def page(self, path: str, template: str, **values: Any) -> None:
        up = "../" * path.count("/")
        made = environment(source() / "templates").get_template(template)
        text = made.render(**self.shared, **values, root=up, path=path)
        self.text(path, text)

    def text(self, path: str, text: str) -> None:
        self.bytes(path, text.encode("utf-8", "replace"))

    def json(self, path: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
        self.bytes(path, text.encode("utf-8", "replace"))

    def bytes(self, path: str, data: bytes) -> None:
        target = self.out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self.written[path] = len(data)


def signed(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or value != value else f"{value:+.{digits}f}".replace("-", "−")


def ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×" if value < 10 else f"{value:.0f}×"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def setting(value: Any) -> str:
    """A setting's value as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def abbreviated(value: float | None) -> str:
    """7.1B, 135M, 1.9M, 820: how many, in three characters or so."""
    if value is None:
        return "–"
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}{unit}" if value < 10 * size else f"{value / size:.0f}{unit}"
    return f"{value:.0f}"
