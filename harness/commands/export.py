"""harness export: finished runs for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.commands.words import results_folder, say, warn
from harness.config.parser import Parser, one_of
from harness.core.errors import UsageError

FORMS = ("csv", "parquet", "bundle", "every-eval-ever")
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")
HELP = "finished runs as tables, as one file to compare again, or in the community's exchange schema"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "filters", nargs="*", metavar="KEY=VALUE", help="task=pope method=vista model=... (default: all finished runs)"
    )
    parser.add_argument("--format", help="default: csv", default="csv", **one_of("format", FORMS))
    parser.add_argument("--out", default="export", metavar="DIR", help="default: export")
    parser.add_argument("--organization", default="unknown", metavar="NAME", help="who ran them (every-eval-ever)")
    parser.add_argument(
        "--relationship",
        default="third_party",
        help="how whoever ran them relates to the model's makers (every-eval-ever; default: third_party)",
        **one_of("relationship", RELATIONSHIPS),
    )


def run(given: Any) -> int:
    from harness.interop import bundle, every_eval_ever, tables
    from harness.runs.stored import readable, select

    runs = select(results_folder(given.results), given.filters, warn)
    found = readable((r for r in runs if r.record.status.scored), warn)
    if not found:
        raise UsageError("no finished run fits: harness ls lists the runs")
    folder = Path(given.out)
    if given.format == "every-eval-ever":
        files = every_eval_ever.write(found, folder, given.organization, given.relationship)
    elif given.format == "bundle":
        files = [bundle.write(found, folder / "runs.parquet")]
    else:
        files = tables.write(found, given.format, folder, warn)
    say(f"{len(found)} runs, {len(files)} files in {folder}")
    return 0
