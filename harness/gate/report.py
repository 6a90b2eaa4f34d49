"""A gate's report as text, Markdown, JSON, JUnit XML, SARIF and GitHub annotations."""

import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from harness import __version__
from harness.core.sinks import annotation, cell, line
from harness.gate.entry import Entry
from harness.gate.verdicts import Report

MARKS = {"improved": "+", "identical": "=", "ok": "=", "within": "=", "slipped": "!", "inconclusive": "?"}


def text(report: Report) -> str:
    """For the terminal: one line an entry, flipped samples below it."""
    lines = []
    for e in report.entries:
        mark = MARKS.get(e.state, "x") if e.blocking or e.state in MARKS else "!"
        advisory = "" if e.blocking else " (advisory)"
        lines.append(line(f"{mark} {e.run}: {e.check} {e.state}{advisory}: {e.message}"))
        lines += [f"    {line(_flip(f))}" for f in e.flipped]
    return "\n".join([*lines, f"gate {report.word} (exit {report.exit_code})"])


def markdown(report: Report) -> str:
    """For a step summary or a pull request."""
    lines = [f"### Regression gate: {report.word}", "", "| run | check | state | |", "|---|---|---|---|"]
    for e in report.entries:
        state = f"**{e.state}**" if report.code(e) and e.blocking else e.state
        advisory = "" if e.blocking else " (advisory)"
        lines.append(f"| {cell(e.run)} | {cell(e.check)} | {state}{advisory} | {cell(e.message)} |")
    flipped = [(e, f) for e in report.entries for f in e.flipped]
    if flipped:
        lines += ["", f"<details><summary>{len(flipped)} samples that flipped</summary>", ""]
        lines += [f"- {cell(e.run)}: {cell(_flip(f))}" for e, f in flipped]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    entries = [e.as_json() | {"exit": report.code(e)} for e in report.entries]
    return json.dumps({"verdict": report.word, "exit": report.exit_code, "entries": entries}, indent=1) + "\n"


def junit(report: Report) -> str:
    """One test case an entry; advisory entries never fail."""
    suite = ElementTree.Element("testsuite", name="harness gate", tests=str(len(report.entries)))
    failures = errors = 0
    for e in report.entries:
        case = ElementTree.SubElement(suite, "testcase", classname=line(e.run), name=line(e.check))
        code = report.code(e) if e.blocking else 0
        if code == 1:
            failures += 1
            node = ElementTree.SubElement(case, "failure", type=e.state, message=line(e.message))
            node.text = "\n".join(line(_flip(f)) for f in e.flipped)
        elif code:
            errors += 1
            ElementTree.SubElement(case, "error", type=e.state, message=line(e.message))
        else:
            ElementTree.SubElement(case, "system-out").text = line(f"{e.state}: {e.message}")
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def sarif(report: Report, manifest: str) -> str:
    """SARIF 2.1.0: one result for each entry that is not green, at the baseline's manifest."""
    results = [
        {
            "ruleId": f"gate/{e.state}",
            "level": "error" if e.blocking and report.code(e) else "warning",
            "message": {"text": "\n".join(map(line, [_said(e), *map(_flip, e.flipped)]))},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": manifest}, "region": {"startLine": 1}}}],
            "partialFingerprints": {"harnessGate/v1": f"{e.run}/{e.check}/{e.state}"},
        }
        for e in _notable(report)
    ]
    rules = [{"id": rule} for rule in dict.fromkeys(str(r["ruleId"]) for r in results)]
    driver = {"name": "harness", "version": __version__, "rules": rules}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=1) + "\n"


def annotations(report: Report) -> list[str]:
    """Workflow commands that GitHub shows beside the commit."""
    out = []
    for e in _notable(report):
        level = "error" if e.blocking and report.code(e) else "warning"
        out.append(annotation(level, f"gate {e.run}", f"{e.check} {e.state}: {e.message}"))
    return out


def _notable(report: Report) -> Sequence[Entry]:
    return [e for e in report.entries if e.state not in ("identical", "improved", "ok", "within")]


def _said(e: Entry) -> str:
    return f"{e.run}: {e.check} {e.state}: {e.message}"


def _flip(f: dict[str, Any]) -> str:
    return f"{f['id']}, target {f['target']!r}: {_short(f['before'])!r} before, {_short(f['now'])!r} now"


def _short(answer: str) -> str:
    return answer if len(answer) <= 120 else answer[:117] + "..."
