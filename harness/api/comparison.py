"""`harness.compare`: runs paired by sample, with the numbers of `harness compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, overload

from harness.api import html
from harness.api.run import Run
from harness.api.runs import given
from harness.comparison import compare as paired
from harness.core.sinks import line

if TYPE_CHECKING:
    from harness.api.table import Table


class Comparison(paired.Comparison):
    """One run against a base. `judged` is the row that runs are judged by; `rows` are all, `worse` and `better` the
    samples that changed."""

    def table(self) -> Table:
        """One row a score in a group: both means, the difference with its interval, p, flips, smallest difference."""
        import pyarrow as pa

        from harness.api.table import Table

        rows = [
            {
                "score": row.score,
                "group": row.group,
                "a": row.a,
                "b": row.b,
                "difference": row.difference.value,
                "low": row.difference.low,
                "high": row.difference.high,
                "p": row.difference.p,
                "worse": row.difference.right_to_wrong,
                "better": row.difference.wrong_to_right,
                "mde": row.difference.mde,
            }
            for row in self.rows
        ]
        texts, counts = ("score", "group"), ("worse", "better")
        kinds = {k: pa.string() if k in texts else pa.int64() if k in counts else pa.float64() for k in rows[0]}
        return Table(pa.Table.from_pylist(rows, pa.schema(list(kinds.items()))))

    def __repr__(self) -> str:
        from harness.comparison.said import sentence
        from harness.comparison.table import drawing, inside, notes
        from harness.core.width import columns, listed
        from harness.loggers.tables import drawn

        tables = inside(self, drawn=True)
        read = [text for heads, rows in tables for text in ("", *listed(heads, rows, columns(), named=True))]
        return "\n".join([drawn(drawing(self)), *map(line, notes(self)), *read, line(sentence([self]))])

    def _repr_html_(self) -> str:
        from harness.comparison.said import sentence
        from harness.comparison.table import caption, cells, heads, inside, notes

        a, b = self.labels
        said = (f"{caption(self)}.", *notes(self), sentence([self]))
        read = "".join(html.table(names, rows, texts=None) for names, rows in inside(self))
        return html.table(heads(self), cells(self), caption=f"{b} against {a}", texts=2) + html.lines(said) + read


@overload
def compare(a: Run | str, b: Run | str, /, *, results: str | Path | None = None) -> Comparison: ...
@overload
def compare(
    a: Run | str, b: Run | str, c: Run | str, /, *more: Run | str, results: str | Path | None = None
) -> list[Comparison]: ...
def compare(
    a: Run | str, b: Run | str, /, *more: Run | str, results: str | Path | None = None
) -> Comparison | list[Comparison]:
    """Run `b` against the base `a`, paired by sample, by the functions of `harness compare`.

    With more runs each is compared with the base: a list, whose `holm` is p corrected for their number.

    Args:
        a: A run, or the name or the beginning of the name of one.
        results: Where runs are found that are given by name.

    Raises:
        NotComparable: the runs differ in something that makes a difference meaningless, which it names.
    """
    base, *others = (given(run, results).stored for run in (a, b, *more))
    found = [Comparison(**vars(one)) for one in paired.compare(base, others)]
    return found if more else found[0]
