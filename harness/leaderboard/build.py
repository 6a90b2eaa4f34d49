"""harness site build: the whole site into a folder, then put in the old one's place at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import __version__
from harness.core.errors import UsageError, first_line
from harness.leaderboard import (
    downloads,
    faults,
    groups,
    history,
    levels,
    overview,
    pages,
    published,
    samples,
    search,
    zoo,
)
from harness.leaderboard.answers import details_of, extras, items_of, played
from harness.leaderboard.board import Board, BoardEntry, boards, entries
from harness.leaderboard.changes import Reads
from harness.leaderboard.folder import LOCK, MARK, fresh
from harness.leaderboard.inside import inside
from harness.leaderboard.pictures import Files, Nowhere, Pictures, Private
from harness.leaderboard.places import places
from harness.leaderboard.ranking import ranking
from harness.leaderboard.render import Renderer, source
from harness.leaderboard.seen import seen as seen_of
from harness.leaderboard.versus import Comparisons, comparisons
from harness.plugins.plugin import Plugin
from harness.plugins.registry import ROOT, Registry, folders_of
from harness.store import Store, catch_up
from harness.store.database import database

MOST_BROKEN = 20
"""Runs that are left out of a site. Where more cannot be shown, the fault is not theirs."""


@dataclass(frozen=True)
class Built:
    """What a build wrote."""

    out: Path
    files: int
    bytes: int
    runs: int


def build(
    results: Path,
    out: Path,
    *,
    plugin_folders: Sequence[str] = (),
    with_pictures: bool = True,
    private: Private | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Built:
    """`private`: where this process serves the pictures of all records from, none of which is written. Raises
    UsageError where `out` is a folder that no build made."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).exists())):
        raise UsageError(f"--out {out} exists and is not a site of harness: name a new or empty folder")
    with fresh(out) as folder:
        site, runs = _write(results, folder, plugin_folders, private or with_pictures, say)
        (folder / MARK).write_text(f"{__version__}\n")
    return Built(out, len(site.written), sum(site.written.values()), runs)


class _Broken(Exception):
    """A run whose pages cannot be made."""

    def __init__(self, run: str):
        super().__init__(run)
        self.run = run


def _write(
    results: Path, out: Path, folders: Sequence[str], shown: Private | bool, say: Callable[[str], None]
) -> tuple[Renderer, int]:
    """All pages. A run whose pages cannot be made is named and left out, unless that is so of most of them."""
    left: set[str] = set()
    while True:
        try:
            return _attempt(results, out, folders, shown, say, left)
        except _Broken as e:
            cause = e.__cause__
            assert cause is not None
            left.add(e.run)
            if len(left) > MOST_BROKEN:
                raise cause from None
            say(f"left out: {e.run} ({type(cause).__name__}: {first_line(cause)})")
            for path in out.iterdir():
                if path.name != LOCK:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _of(entry: BoardEntry) -> Iterator[None]:
    """Turns a fault in what is made of a run into one that names it."""
    try:
        yield
    except Exception as e:
        raise _Broken(entry.run) from e


def _attempt(
    results: Path, out: Path, folders: Sequence[str], shown: Private | bool, say: Callable[[str], None], left: set[str]
) -> tuple[Renderer, int]:
    figures = published.read(_published(results))
    if (results / "runs").is_dir():
        catch_up(results, say)
    if not database(results).exists():
        site = Renderer(out, pages.shared([], [], Registry(folders).groups))
        _assets(site)
        pages.empty(site, results)
        pages.about(site)
        return site, 0
    with Store(results) as store:
        found = [e for e in entries(store) if e.run not in left]
        for entry in found:
            with _of(entry):
                _ = entry.value, entry.settings, entry.flaws, entry.cost, entry.origin
        made = boards(found)
        cards = _cards(folders, (e.row["config"] for e in found), say)
        site = Renderer(out, pages.shared(found, made, cards))
        _assets(site)
        if not found:
            pages.empty(site, results)
        compared, sums, trained = {}, {}, {}
        read: Reads = {}
        measured = zoo.speeds(results, ROOT / "results")
        private = isinstance(shown, Private)
        where = shown if isinstance(shown, Private) else Files(site) if shown else Nowhere()
        for board in made:
            say(f"{board.name}: {len(board.entries)} runs")
            compared[board.slug], sums[board.slug], of_zoo = _board(
                site, store, board, results, where, private, measured, read
            )
            if of_zoo:
                trained[board.slug] = of_zoo
    series = history.history(site, results, made)
    if found:
        ranked = {
            (b.slug, m): ranking(b, m, compared[b.slug], levels.of_board(b, figures)) for b in made for m in b.models
        }
        overview.overviews(site, made, compared, series)
        pages.tasks(site, made, ranked, figures, found, sums, trained)
        pages.methods(site, found, made, ranked, figures)
        pages.models(site, found, made, ranked)
    pages.zoo(site, list(trained.values()))
    pages.probes(site, made, read)
    pages.compare(site, made)
    pages.samples(site)
    pages.search(site)
    pages.about(site)
    downloads.write(site, found, results, cards)
    return site, len(found)


def _cards(folders: Sequence[str], configs: Iterable[Any], say: Callable[[str], None]) -> dict[str, dict[str, Plugin]]:
    """The known plug-ins, those of the runs' own folders among them. A faulty one costs its card, not the site."""
    registry = Registry([*folders, *folders_of(configs)])
    for fault in dict.fromkeys(registry.faults.values()):
        say(f"a plug-in is shown without its card: {fault}")
    return registry.groups


def _board(
    site: Renderer,
    store: Store,
    board: Board,
    results: Path,
    shown: Pictures,
    private: bool,
    measured: zoo.Speeds,
    read: Reads,
) -> tuple[Comparisons, pages.BoardSums, zoo.ZooBoard | None]:
    items = items_of(store, board)
    seen = seen_of(board, items.position, shown, private=private)
    map_ = places(seen.places, details_of(store, board, items)) if seen.places else None
    samples.items(site, board, items, seen, map_)
    search.index(site, store, board, len(items.rows))
    runs, broken = {}, faults.faults(store, board)
    for entry in board.entries:
        with _of(entry):
            run = played(store, entry, items)
            more = extras(items, run, seen, results / "runs" / entry.run)
            own = inside(entry, results / "runs" / entry.run, items, site.shared["cards"]["method"])
            samples.answers(site, board, entry, run, more, own)
            pages.run(site, board, entry, items, run, seen, broken.get(entry.run, []), own)
        if own:
            read.setdefault(board.slug, (items, []))[1].append(replace(own, maps={}))
        run.rows = []  # a million answers need not stay in memory
        runs[entry.run] = run
    found = comparisons(board, items, runs)
    samples.comparisons(site, board, found)
    sums = pages.BoardSums(groups.summed(board, items, runs), faults.summed(broken))
    return found, sums, zoo.summary(board, items, runs, measured)


def _assets(site: Renderer) -> None:
    for path in sorted((source() / "assets").rglob("*")):
        if path.is_file():
            site.bytes(f"assets/{path.relative_to(source() / 'assets').as_posix()}", path.read_bytes())


def _published(results: Path) -> Path:
    """Beside the results, or those of the checkout or the package."""
    for folder in (results / "published", ROOT / "results" / "published", source() / "published"):
        if folder.is_dir():
            return folder
    return results / "published"
