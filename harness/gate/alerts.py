"""Tell people when the verdict changes: addresses of apprise (Slack, mail, webhooks ...) from the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import UsageError
from harness.engine.rundir import write_json
from harness.gate.verdicts import Report


def send(report: Report, variables: Sequence[str], body: str, state: Path) -> list[str]:
    """Send the report to the addresses in these environment variables if its verdict is news. Returns lines to print.

    `state` remembers what was sent last, so that the same red verdict is sent once, and its end once, too. Addresses
    hold secrets: they are neither printed nor stored, and a failed delivery never changes the verdict. Raises
    UsageError where a variable or apprise is missing.
    """
    if not variables:
        return []
    if missing := [v for v in variables if not os.environ.get(v)]:
        raise UsageError(f"alerts: the environment has no {', '.join(missing)}: set it to an apprise address")
    try:
        import apprise
    except ImportError as e:
        raise UsageError("alerts need apprise: pip install 'harness[alerts]'") from e
    now = _facts(report)
    before = json.loads(state.read_text()) if state.exists() else {"verdict": "passed", "problems": []}
    if now == before:
        return ["alert: nothing new"]
    lines = []
    for variable in variables:
        sender = apprise.Apprise()
        for address in os.environ[variable].split():
            sender.add(address)
        try:
            sent = bool(sender.notify(title=f"harness gate: {report.word}", body=body))
        except Exception as e:  # a notifier's fault must not hide the verdict, nor its address be printed
            sent, lines = False, [*lines, f"alert: {variable} raised {type(e).__name__}"]
        lines.append(f"alert: {variable} {'sent' if sent else 'was not delivered'}")
        if not sent:
            return lines  # try again next time
    state.parent.mkdir(parents=True, exist_ok=True)
    write_json(state, now)
    return lines


def _facts(report: Report) -> dict[str, object]:
    bad = [f"{e.run}/{e.check}/{e.state}" for e in report.entries if e.blocking and report.code(e)]
    return {"verdict": report.word, "problems": sorted(bad)}
