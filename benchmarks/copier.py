"""A model that does what Synapse hopes for, behind an OpenAI-compatible server: it copies the form of what it is shown.

    python benchmarks/copier.py --port 8123 &
    harness eval task=miniwob task.observation=[axtree] method=synapse \\
        model=openai model.base_url=http://127.0.0.1:8123/v1 model.name=copier

It takes the demonstration that is at hand, step by step, and puts the present page's elements and words in the place of
the demonstration's: an element by its role and by the name that the task says, a text by its place in the task. It
knows no page and no task, so what it scores is what retrieval and the prompt are worth: with `memory=name` the right
demonstrations, with `nearest` those that were found.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import re
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LINE = re.compile(r'\[(\d+)\] (\w+)(?: "(.*)")?')
CALL = re.compile(r"\w+\(.*\)")


def answer(messages: Sequence[dict[str, Any]]) -> str:
    """Code for the last page of a Synapse prompt."""
    *shown, (task, steps) = trajectories(messages)
    at = len(steps) - 1
    fitting = [(t, s) for t, s in shown if len(s) > at] or shown
    if not fitting:
        return "```\nnoop()\n```"
    demo_task, demo = max(fitting, key=lambda one: difflib.SequenceMatcher(None, one[0], task).ratio())
    page, code = demo[min(at, len(demo) - 1)]
    return f"```\n{adapted(code, demo_task, page, task, steps[-1][0])}\n```"


def trajectories(messages: Sequence[dict[str, Any]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(task, [(page, code)]) of each, the present one last, with no code behind its last page."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for message in messages:
        text = message["content"] if isinstance(message["content"], str) else message["content"][-1]["text"]
        if message["role"] == "user":
            head, _, page = text.partition("Observation:\n")
            if head.startswith("Task: "):
                found.append((head.removeprefix("Task: ").partition("\nTrajectory:")[0], []))
            found[-1][1].append((page.removesuffix("\nAction:"), ""))
        elif message["role"] == "assistant":
            page, _ = found[-1][1].pop()
            found[-1][1].append((page, text.strip("`\n ")))
    return found


def adapted(code: str, demo_task: str, demo_page: str, task: str, page: str) -> str:
    """The demonstration's action with the present page's elements and words in it."""
    if not CALL.fullmatch(code):
        return code
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    values = [ast.literal_eval(a) for a in call.args]
    for i, value in enumerate(values):
        if isinstance(value, str):
            found = element(value, demo_task, demo_page, task, page)
            values[i] = found if found else said(value, demo_task, task)
    return f"{call.func.id}({', '.join(map(repr, values))})"


def element(mark: str, demo_task: str, demo_page: str, task: str, page: str) -> str:
    """The mark of the present page's element that plays the part of the demonstration's; "" where `mark` is none."""
    demo, now = LINE.findall(demo_page), LINE.findall(page)
    own = next((e for e in demo if e[0] == mark), None)
    if own is None:
        return ""
    _, role, name = own
    alike = [e for e in now if e[1] == role]
    if not alike:
        return now[0][0] if now else mark
    if name and name.lower() in demo_task.lower():
        wanted = said(name, demo_task, task).lower()
        named = [e for e in alike if e[2] and (e[2].lower() == wanted or e[2].lower() in task.lower())]
        if named:
            return max(named, key=lambda e: (e[2].lower() == wanted, len(e[2])))[0]
    if same := [e for e in alike if name and e[2] == name]:
        return same[0][0]
    place = [e for e in demo if e[1] == role].index(own)
    return alike[min(place, len(alike) - 1)][0]


def said(text: str, demo_task: str, task: str) -> str:
    """What stands in the task where the demonstration's task says `text`; the text itself where it does not say it."""
    quoted = re.findall(r'"([^"]*)"', demo_task), re.findall(r'"([^"]*)"', task)
    if text in quoted[0] and len(quoted[0]) == len(quoted[1]):
        return quoted[1][quoted[0].index(text)]
    start = demo_task.lower().find(text.lower())
    if start < 0 or not text:
        return text
    before, after = demo_task[:start], demo_task[start + len(text) :]
    kept = len(_common(before, task))
    tail = len(_common(after[::-1], task[kept:][::-1]))
    return task[kept : len(task) - tail] or text


def _common(one: str, two: str) -> str:
    """The beginning that both share."""
    n = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return one[:n]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {"role": "assistant", "content": answer(asked["messages"])}
        choice = {"index": 0, "message": said, "finish_reason": "stop"}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        self._send({"object": "chat.completion", "model": "copier", "choices": [choice], "usage": usage})

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "copier", "object": "model"}]})

    def _send(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
