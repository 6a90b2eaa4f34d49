"""Published figures beside measured ones: a table a paper, and whether the two agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.leaderboard.board import BoardEntry
from harness.leaderboard.figures.svg import number
from harness.leaderboard.published import Figure, plain

AGREES, DIFFERS, INCOMPARABLE, UNMEASURED = "agrees", "differs", "not comparable", "not measured"
STRATEGIES = {"greedy": "greedy", "temperature 0": "greedy", "sampl": "sampling", "nucleus": "sampling", "beam": "beam"}
"""How a paper's words name a decoding strategy; words that name two say neither."""


@dataclass(frozen=True)
class Verdict:
    """What a measured run says about a published figure."""

    word: str
    why: str = ""
    entry: BoardEntry | None = None
    value: float | None = None


@dataclass(frozen=True)
class Cited:
    """One row of a paper's table."""

    method: str
    model: str
    decoding: str
    note: str
    source: str
    cells: dict[tuple[str, str], tuple[Figure, Verdict]]

    @property
    def word(self) -> str:
        """The row's own verdict: measured cells decide."""
        words = [v.word for _, v in self.cells.values()]
        return next((w for w in (DIFFERS, AGREES, INCOMPARABLE) if w in words), UNMEASURED)

    @property
    def verdict(self) -> str:
        """In words, with the reason or the count."""
        judged = [v for _, v in self.cells.values() if v.word in (AGREES, DIFFERS)]
        if judged:
            agreeing = sum(v.word == AGREES for v in judged)
            if agreeing == len(judged):
                return "agrees within error" + (f" ({agreeing} of {agreeing})" if agreeing > 1 else "")
            return f"differs ({len(judged) - agreeing} of {len(judged)} outside of the interval)"
        failing = [v for _, v in self.cells.values() if v.word == INCOMPARABLE]
        reasons = dict.fromkeys(v.why for v in failing if v.value is not None) or dict.fromkeys(v.why for v in failing)
        return f"not comparable: {'; '.join(reasons)}" if reasons else UNMEASURED


@dataclass(frozen=True)
class CitedTable:
    """Figures of one paper, or of one task: models by splits. `columns`: (metric, group)."""

    title: str
    columns: list[tuple[str, str]]
    rows: list[Cited]

    @property
    def alone(self) -> bool:
        """Whether it has one source, which is its title."""
        return all(r.source == self.title for r in self.rows)

    @property
    def judged(self) -> int:
        """Rows that agree or differ."""
        return sum(r.word in (AGREES, DIFFERS) for r in self.rows)

    @property
    def measured(self) -> int:
        """Rows with something measured beside them."""
        return sum(r.word != UNMEASURED for r in self.rows)


def tables(
    figures: Sequence[Figure], found: Sequence[BoardEntry], title: Callable[[Figure], str], most: int
) -> tuple[list[CitedTable], int]:
    """A table for each title, those with measured rows first, of at most `most` rows together; and how many rows are
    left out."""
    groups: dict[str, dict[tuple[str, ...], dict[tuple[str, str], tuple[Figure, Verdict]]]] = {}
    measured: dict[tuple[str, ...], list[BoardEntry]] = {}
    for e in found:
        measured.setdefault(_same(e), []).append(e)
    for f in figures:
        key = (f.method, f.model, f.decoding, f.note, f.source)
        judged = f, verdict(f, measured.get(_same(f), []))
        groups.setdefault(title(f), {}).setdefault(key, {})[f.metric, f.group] = judged
    made = []
    for name, rows in groups.items():
        columns = dict.fromkeys(c for cells in rows.values() for c in cells)
        members = [Cited(*key, cells=cells) for key, cells in rows.items()]
        members.sort(key=lambda r: (r.word == UNMEASURED, plain(r.model), r.method != "vanilla", r.method))
        order = {m: i for i, m in enumerate(dict.fromkeys(m for m, _ in columns))}
        made.append(CitedTable(name, sorted(columns, key=lambda c: order[c[0]]), members))
    made.sort(key=lambda t: (-t.judged, -t.measured, t.title))
    kept, room = [], most
    for table in made:
        rows_ = table.rows[: max(0, room)]
        room -= len(rows_)
        if rows_:
            kept.append(CitedTable(table.title, table.columns, rows_))
    return kept, sum(len(t.rows) for t in made) - sum(len(t.rows) for t in kept)


def _same(what: Figure | BoardEntry) -> tuple[str, ...]:
    data = what.here[0] if isinstance(what, Figure) else what.data
    return what.task, data, plain(what.model), plain(what.method)


def verdict(stated: Figure, same: Sequence[BoardEntry]) -> Verdict:
    """By the newest whole run of the `same` task, records, model and method, one without settings by hand if any."""
    if not same:
        return Verdict(UNMEASURED)
    whole = [e for e in same if not (e.flaws or e.apart or e.judge) and e.drawn is None]
    if not whole:
        e = same[-1]
        part = f"a draw of {e.drawn} samples" if e.drawn is not None else e.apart or f"judged by {e.judge}"
        return Verdict(INCOMPARABLE, f"the run here is {e.flaws[0]}" if e.flaws else f"only {part} here", e)
    entry = sorted(whole, key=lambda e: not e.settings)[-1]
    other = _settings(stated, entry)
    metric = next((m for m in entry.metrics if (m["name"], m["group"]) == stated.here[1:]), None)
    if metric is None or metric["value"] is None or metric["value"] != metric["value"]:
        return Verdict(INCOMPARABLE, f"{stated.metric} ({stated.group}) is not measured", entry)
    value = float(metric["value"])
    if other:
        return Verdict(INCOMPARABLE, other, entry, value)
    if metric["low"] is None or metric["high"] is None:
        return Verdict(INCOMPARABLE, "too few clusters for an interval", entry, value)
    if metric["low"] <= stated.value <= metric["high"]:
        return Verdict(AGREES, f"in [{number(metric['low'])}, {number(metric['high'])}]", entry, value)
    return Verdict(DIFFERS, f"outside of [{number(metric['low'])}, {number(metric['high'])}]", entry, value)


def _settings(stated: Figure, entry: BoardEntry) -> str:
    """Why the two were not decoded alike, where both say how."""
    theirs = {kind for words, kind in STRATEGIES.items() if words in stated.decoding.lower()}
    decoding = entry.row["decoding"] or {}
    ours = str(decoding.get("strategy", ""))
    if len(theirs) == 1 and ours and STRATEGIES.get(ours, ours) not in theirs:
        return f"decoding {stated.decoding}, here {ours}"
    length = re.search(r"max(?:_new)?(?:_tokens)? (\d+)", f"{stated.decoding} {stated.note}")
    own = decoding.get("max_new_tokens") or (entry.row["task_facts"] or {}).get("max_new_tokens")
    used = entry.row["new_tokens"]
    free = used is not None and length and own and 2 * used < min(int(length[1]), own)  # neither limit is felt
    if length and own and int(length[1]) != own and not free:
        return f"at most {length[1]} new tokens, here {own}"
    return ""
