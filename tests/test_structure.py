"""The house: no circle among files or folders, no arrow upwards, and one package that is installed."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

REPO = Path(__file__).parents[1]
TOPS = {"harness": "harness", "tasks": "harness.tasks", "methods": "harness.methods"}
"""Folder -> package: tasks/ and methods/ lie at the top and are imported below harness."""


def _modules() -> dict[str, Path]:
    found = {}
    for folder, package in TOPS.items():
        for path in (REPO / folder).rglob("*.py"):
            inner = path.relative_to(REPO / folder)
            if folder == "harness" and inner.parts[0] in TOPS:
                continue  # the links to the other two
            found[".".join([package, *inner.with_suffix("").parts]).removesuffix(".__init__")] = path
    return found


def _imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports, also inside functions and for types."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                full = f"{node.module}.{name.name}"
                out.add(full if full in known else node.module)
        elif isinstance(node, ast.Import):
            out |= {name.name for name in node.names}
    return out & known.keys()


@cache
def _graph() -> dict[str, set[str]]:
    """Module -> those that it imports."""
    modules = _modules()
    return {name: _imports(path, modules) - {name} for name, path in modules.items()}


def _folder(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _ordered(graph: dict[str, set[str]]) -> str:
    """The circle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        return " -> ".join(e.args[1])
    return ""


def test_no_circle_among_files():
    faces = {name for name, path in _modules().items() if path.name == "__init__.py"}
    inner = {name: seen - {f for f in faces if name.startswith(f"{f}.")} for name, seen in _graph().items()}
    assert not _ordered(inner)


def test_no_circle_among_folders():
    folders: dict[str, set[str]] = {}
    for name, seen in _graph().items():
        folders.setdefault(_folder(name), set()).update(_folder(s) for s in seen)
    assert not _ordered({name: seen - {name, "harness"} for name, seen in folders.items() if name != "harness"})


def test_the_engine_knows_no_task_and_no_method():
    plugins = ("harness.tasks", "harness.methods")
    up = {(name, s) for name, seen in _graph().items() for s in seen if s.startswith(plugins)}
    assert not [(name, s) for name, s in sorted(up) if not name.startswith(plugins)]


def test_nobody_imports_the_command_line():
    faces = ("harness.commands", "harness.__main__")
    top = {name: seen for name, seen in _graph().items() if not name.startswith(faces)}
    assert not [name for name, seen in top.items() if "harness.cli" in seen]


BARE = re.compile(r"\b(import|from)\s+(\w+[\w., ]*,\s*)?(tasks|methods)\b")
"""What every file has that imports one of them; a few others have it in their prose."""


def test_nothing_but_harness_is_imported():
    """A user's own tasks.py or methods/ beside it hides nothing of ours, and ours hides nothing of theirs."""
    for path in [*_modules().values(), *(REPO / "tests").rglob("*.py"), *(REPO / "benchmarks").rglob("*.py")]:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if BARE.search(text) else ():
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names = [n.name for n in node.names] if isinstance(node, ast.Import) else names
            assert not [n for n in names if n.split(".")[0] in ("tasks", "methods")], path
