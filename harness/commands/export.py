"""harness export: finished runs for other tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.commands.words import parser, results_folder
from harness.core.errors import UsageError

FORMS = ("csv", "parquet", "every-eval-ever")


def main(words: Sequence[str]) -> int:
    arguments = parser("export", "finished runs as tables or in the community's exchange schema")
    arguments.add_argument(
        "filters", nargs="*", metavar="KEY=VALUE", help="task=pope method=vista model=... (default: all finished runs)"
    )
    arguments.add_argument("--format", choices=FORMS, default="csv", help="default: csv")
    arguments.add_argument("--out", default="export", metavar="DIR", help="default: export")
    arguments.add_argument("--organization", default="unknown", metavar="NAME", help="who ran them (every-eval-ever)")
    arguments.add_argument(
        "--relationship", default="third_party", metavar="WORD", help="first_party, third_party, collaborative, other"
    )
    given = arguments.parse_args(words)
    from harness.interop import every_eval_ever, tables
    from harness.runs.stored import select

    if given.relationship not in every_eval_ever.RELATIONSHIPS:
        raise UsageError(f"--relationship {given.relationship}: choose {', '.join(every_eval_ever.RELATIONSHIPS)}")
    found = [
        r for r in select(results_folder(given.results), given.filters) if r.record["status"] in ("done", "partial")
    ]
    if not found:
        raise UsageError("no finished run fits: harness ls lists the runs")
    folder = Path(given.out)
    if given.format == "every-eval-ever":
        files = every_eval_ever.write(found, folder, given.organization, given.relationship)
    else:
        files = tables.write(found, given.format, folder)
    print(f"{len(found)} runs, {len(files)} files in {folder}")
    return 0
