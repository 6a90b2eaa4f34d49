"""The studies of docs/methods.md: methods beside vanilla on one task and model, played, kept and made into tables.

    python benchmarks/methods.py play NAME [--results DIR]     # what is missing, one run after the other; resumes
    python benchmarks/methods.py keep NAME [--results DIR]     # add finished runs to results/methods/NAME.parquet
    python benchmarks/methods.py write                         # all tables of docs/methods.md from results/methods

Without NAME all studies are meant. `play` takes further words for `harness eval` (executor=...). Methods with a grid
use their preset of the model, which `harness tune` has chosen on the calibration split.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from method_page import PAGE, written
from method_studies import STUDIES, Study

from harness.interop import bundle
from harness.runs.stored import StoredRun, stored


def play(study: Study, results: Path, more: Sequence[str]) -> int:
    """Run by run; what is finished is not played again."""
    for words in study.all():
        command = [sys.executable, "-m", "harness", "eval", *words, f"results={results}", *more]
        if code := subprocess.run(command).returncode:
            return code
    return 0


def keep(study: Study, results: Path) -> int:
    """The newest finished run of each, in place of one that is kept, or beside those; how many."""
    by: dict[frozenset[str], StoredRun] = {}
    for run in stored(results):
        if run.record.status.scored:
            by.setdefault(frozenset(bundle.told(run)), run)
    found = [by[key] for words in study.all() if (key := frozenset(words)) in by]
    if found:
        with tempfile.TemporaryDirectory() as folder:
            fresh = bundle.write(found, Path(folder) / study.path.name)
            bundle.merge([study.path, fresh] if study.path.exists() else [fresh], study.path)
    return len(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("play", "keep", "write"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(STUDIES))
    parser.add_argument("--results", type=Path, default=Path("results"))
    given, more = parser.parse_known_args()
    if given.action == "write":
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    names = [n for n in given.names if n in STUDIES]
    more += [n for n in given.names if n not in STUDIES]
    if odd := [n for n in more if "=" not in n]:
        parser.error(f"unknown study: {odd[0]}: choose {', '.join(STUDIES)}")
    for study in [STUDIES[n] for n in names] or STUDIES.values():
        if given.action == "keep":
            print(f"{study.name}: {keep(study, given.results)} of {len(study.runs)} runs")
        elif code := play(study, given.results, more):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
