"""Tell people when the verdict changes: apprise addresses (Slack, mail, webhooks ...) from the environment, or W&B."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.core.errors import UsageError
from harness.gate.verdicts import Report
from harness.runs.files import write_json

WANDB = "wandb"
PROJECT = "harness"
"""W&B project of the alerts, unless WANDB_PROJECT names one."""


def send(report: Report, targets: Sequence[str], body: str, state: Path) -> list[str]:
    """Send the report to each target if its verdict is news. Returns lines to print.

    A target is the name of an environment variable with apprise addresses, or `wandb`. `state` remembers what was
    sent last, so that the same red verdict is sent once, and so is its end. Addresses hold secrets: they are
    neither printed nor stored, and a failed delivery never changes the verdict. Raises UsageError where a variable or
    a package is missing.
    """
    if not targets:
        return []
    if missing := [v for v in targets if v != WANDB and not os.environ.get(v)]:
        raise UsageError(f"alerts: the environment has no {', '.join(missing)}: set it to an apprise address")
    deliveries = {target: _wandb() if target == WANDB else _apprise(target) for target in targets}
    now = _facts(report)
    try:
        before = json.loads(state.read_text()) if state.exists() else {"verdict": "passed", "problems": []}
    except (ValueError, RecursionError):  # cut short: sent once more
        before = None
    if now == before:
        return ["alert: nothing new"]
    lines = []
    for target, deliver in deliveries.items():
        try:
            sent = deliver(f"harness gate: {report.word}", body)
        except Exception as e:  # a notifier's fault must not hide the verdict, nor its address be printed
            sent, lines = False, [*lines, f"alert: {target} raised {type(e).__name__}"]
        lines.append(f"alert: {target} {'sent' if sent else 'was not delivered'}")
        if not sent:
            return lines  # try again next time
    state.parent.mkdir(parents=True, exist_ok=True)
    write_json(state, now)
    return lines


def _apprise(variable: str) -> Callable[[str, str], bool]:
    try:
        import apprise
    except ImportError as e:
        raise UsageError("alerts need apprise: pip install 'harness[alerts]'") from e

    def deliver(title: str, body: str) -> bool:
        sender = apprise.Apprise()
        for address in os.environ[variable].split():
            sender.add(address)
        return bool(sender.notify(title=title, body=body))

    return deliver


def _wandb() -> Callable[[str, str], bool]:
    """`Run.alert` of a run of its own; W&B mails or posts it as each member has chosen."""
    try:
        import wandb
    except ImportError as e:
        raise UsageError("the wandb alert needs wandb: pip install 'harness[wandb]'") from e

    def deliver(title: str, body: str) -> bool:
        settings = wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        with wandb.init(dir=str(Path.cwd()), project=project, job_type="gate", settings=settings) as run:
            run.alert(title, body, level="INFO" if title.endswith("passed") else "ERROR")
        return True

    return deliver


def _facts(report: Report) -> dict[str, object]:
    bad = [f"{e.run}/{e.check}/{e.state}" for e in report.entries if e.blocking and report.code(e)]
    return {"verdict": report.word, "problems": sorted(bad)}
