"""The annotated arguments of a class, read from its source: methods import torch, and nothing here does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from harness.runs import sources


class Unclear(Exception):
    """The source does not say: a decorator or a class that is not ours makes the arguments, or there is no source."""


def stated(target: str) -> dict[str, str]:
    """Argument -> annotation as text, of `__init__` of the class at this dotted path, and of those that it hands
    `**options` on to. Raises Unclear."""
    found: dict[str, str] = {}
    for function in _initialisers(*_split(target)):
        given = function.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        found = {a.arg: ast.unparse(a.annotation) for a in arguments if a.annotation} | found
        if given.kwarg is None:
            break
    return found


def refused(target: str) -> dict[str, list[str]]:
    """Argument -> the values that `__init__` of the class, or of those that it is made of, tells apart from wrong ones
    by `if form not in ("code", "paper")`, as far as their sources say."""
    found: dict[str, list[str]] = {}
    with suppress(Unclear):
        for function in _initialisers(*_split(target)):
            for node in ast.walk(function):
                if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.NotIn):
                    name = getattr(node.left, "id", getattr(node.left, "attr", ""))
                    of = node.comparators[0].elts if isinstance(node.comparators[0], ast.Tuple) else []
                    values = [part.value for part in of if isinstance(part, ast.Constant)]
                    found.setdefault(name, [str(v).lower() if isinstance(v, bool) else str(v) for v in values])
    return found


def _initialisers(module: str, name: str) -> Iterator[ast.FunctionDef]:
    """The `__init__` of a class, then those of its bases."""
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            break
        if isinstance(node, ast.ImportFrom) and (names := [a.name for a in node.names if (a.asname or a.name) == name]):
            if node.level or not node.module:
                raise Unclear(name)
            yield from _initialisers(node.module, names[0])
            return
    else:
        raise Unclear(name)
    if node.decorator_list or node.keywords or any("Settings" in _assigned(part) for part in node.body):
        raise Unclear(name)
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            yield part
    for base in node.bases:
        if not isinstance(base, ast.Name):
            raise Unclear(name)
        yield from _initialisers(module, base.id)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _split(target: str) -> tuple[str, str]:
    module, _, name = target.rpartition(".")
    return module, name


@cache
def _tree(module: str) -> ast.Module:
    path = sources.file(module)
    if path is None:
        raise Unclear(module)
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as e:
        raise Unclear(module) from e


def forget() -> None:
    """Read sources again."""
    _tree.cache_clear()
