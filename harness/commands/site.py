"""harness site: the leaderboard as static pages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.commands.words import parser


def main(words: Sequence[str]) -> int:
    arguments = parser("site", "the leaderboard as static pages, made from results/harness.duckdb")
    arguments.add_argument("action", choices=("build", "serve"), help="write the pages, or also serve them here")
    arguments.add_argument("--out", type=Path, default=Path("results/site"), metavar="DIR", help="where the pages go")
    arguments.add_argument("--no-pictures", action="store_true", help="leave out the samples' pictures")
    arguments.add_argument("--port", type=int, default=8000, help="serve: on 127.0.0.1 (default 8000; 0: any free one)")
    arguments.add_argument("--plugins", action="append", default=[], metavar="DIR", help="folder with plug-ins")
    given = arguments.parse_args(words)
    from harness.leaderboard.build import build

    def make() -> None:
        options = {"plugin_folders": given.plugins, "with_pictures": not given.no_pictures}
        made = build(Path(given.results), given.out, **options, say=_say)
        print(f"{made.out}: {made.files} files, {made.bytes / 1e6:.1f} MB, {made.runs} runs", flush=True)

    make()
    if given.action == "serve":
        from harness.leaderboard.serve import serve

        serve(given.out, Path(given.results), given.port, make)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
