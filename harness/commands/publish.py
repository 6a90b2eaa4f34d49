"""harness publish: finished runs as a dataset on the Hugging Face Hub, and in the card of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from harness.commands.words import results_folder, say, warn
from harness.config.parser import Parser
from harness.core.errors import DONE, UsageError

HELP = "finished runs as a dataset on the Hugging Face Hub (--hub), and in the card of a model (--card)"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "filters", nargs="*", metavar="KEY=VALUE", help="task=pope method=vista model=... (default: all finished runs)"
    )
    parser.add_argument("--hub", default="", metavar="OWNER/NAME", help="dataset that gets tables, records and a card")
    parser.add_argument("--card", default="", metavar="OWNER/MODEL", help="model whose card gets them, by pull request")
    parser.add_argument("--private", action="store_true", help="make the dataset a private one if it is new")
    parser.add_argument("--dry-run", action="store_true", help="write what would be uploaded, and upload nothing")
    parser.add_argument("--out", default="publish", metavar="DIR", help="with --dry-run: where to (default: publish)")


def run(given: Any) -> int:
    if not given.hub and not given.card:
        raise UsageError("harness publish: name a dataset by --hub OWNER/NAME, or a model by --card OWNER/MODEL")
    from harness.interop import hub
    from harness.runs.stored import readable, select

    hub_, card = (hub.checked(r, o) if r else "" for r, o in ((given.hub, "--hub"), (given.card, "--card")))
    runs = select(results_folder(given.results), given.filters, warn)
    found = readable((r for r in runs if r.record.status.scored), warn)
    if not found:
        raise UsageError("no finished run fits: harness ls lists the runs")
    if given.dry_run:
        _written(found, hub_, card, Path(given.out))
        return DONE
    message = hub.summary(found)
    made = hub.model_card(found, card, hub_, hub.fetched(card)) if card else ""
    if hub_:
        with tempfile.TemporaryDirectory(prefix="harness-publish-") as scratch:
            hub.dataset(found, hub_, Path(scratch))
            address = hub.upload(Path(scratch), hub_, private=given.private, message=message)
        say(f"{len(found)} runs: {address}")
    if card:
        say(f"card of {card}: {hub.propose(made, card, message=message)}")
    return DONE


def _written(runs: list[Any], repo: str, card: str, folder: Path) -> None:
    """What would be uploaded, as files."""
    from harness.interop import hub

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: name another folder by --out DIR, or delete it")
    files = hub.dataset(runs, repo, folder / "dataset") if repo else []
    if card:
        (folder / "model").mkdir(parents=True, exist_ok=True)
        path = folder / "model" / "README.md"
        path.write_text(hub.model_card(runs, card, repo, None), encoding="utf-8")
        files.append(path)
    for path in files:
        say(f"  {path} ({path.stat().st_size} bytes)")
    say(f"{len(runs)} runs, {len(files)} files; nothing was uploaded")
