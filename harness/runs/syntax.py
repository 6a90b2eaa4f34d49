"""What a module's text holds that identity needs: a digest without prose, imports, names, and files that it may read.

A module counts by its text without comments, docstrings and formatting, so that prose changes nothing; imports inside
functions count, imports for type checkers do not.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.runs.texts import Remembered

REMEMBERED = Remembered(Path(__file__))
FILE = re.compile(r"[\w.@+-][\w.@+ -]*(/[\w.@+-][\w.@+ -]*)*")
"""What may name a file beside a module."""
SKIPPED = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields of a syntax tree that say nothing about what the code does."""
LENGTH = 16
"""Hex digits of a file's digest."""


@dataclass(frozen=True)
class Source:
    """What identity needs to know of one module's source."""

    digest: str
    """Digest of its text; empty where nothing is left of it without prose."""
    imports: tuple[str, ...]
    """Absolute names that it may import; some are attributes."""
    names: frozenset[str]
    """What it defines at any level: functions, classes, assigned names."""
    files: frozenset[str]
    """Texts in it that may name a file or folder beside it."""
    looks: bool
    """Whether it asks where it lies, as code does that reads files beside itself."""


def remembered(text: bytes, package: str) -> Source:
    """`parsed`, by an earlier process where it read the same text."""
    key = REMEMBERED.key(text, package)
    with contextlib.suppress(TypeError, ValueError):  # a damaged entry is made again
        digest, imports, names, files, looks = REMEMBERED.get(key)
        return Source(str(digest), tuple(imports), frozenset(names), frozenset(files), bool(looks))
    made = parsed(text, package)
    REMEMBERED.put(key, [made.digest, made.imports, sorted(made.names), sorted(made.files), made.looks])
    return made


def parsed(text: bytes, package: str) -> Source:
    """What a module's text holds. One that cannot be parsed, or is nested too deeply to walk, counts byte by byte."""
    reader = _Reader(package)
    plain = text
    try:
        tree = ast.parse(text)
        try:
            reader.statements(tree.body)
            plain = "".join(reader.out).encode("utf-8", "backslashreplace")
        except RecursionError:
            for node in ast.walk(tree):
                reader.note(node)
    except (SyntaxError, ValueError, RecursionError):
        pass
    digest = hashlib.sha256(plain).hexdigest()[:LENGTH] if plain else ""
    imports = tuple(dict.fromkeys(reader.imports))
    return Source(digest, imports, frozenset(reader.names), frozenset(reader.files), reader.looks)


class _Reader:
    """Walks a syntax tree once. What it writes is the same on every version of Python: empty fields are left out."""

    def __init__(self, package: str):
        self.package = package
        self.out: list[str] = []
        self.imports: list[str] = []
        self.names: set[str] = set()
        self.files: set[str] = set()
        self.looks = False

    def statements(self, body: list[ast.stmt]) -> None:
        for node in body:
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                continue  # a docstring
            if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["__version__"]:
                continue
            if isinstance(node, ast.If) and getattr(node.test, "attr", getattr(node.test, "id", "")) == "TYPE_CHECKING":
                self.statements(node.orelse)
                continue
            self.node(node)

    def node(self, node: ast.AST) -> None:
        self.note(node)
        self.out.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name in SKIPPED:
                continue
            if isinstance(node, ast.JoinedStr):  # since 3.12 some end in an empty text
                value = [v for v in value if getattr(v, "value", None) != ""]
            self.out.append(f"{name}=")
            self.value(value)
        self.out.append(")")

    def value(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self.node(value)
        elif isinstance(value, list):
            self.out.append("[")
            if value and isinstance(value[0], ast.stmt):
                self.statements(value)
            else:
                for each in value:
                    self.value(each)
            self.out.append("]")
        else:
            self.out.append(f"{value!r},")

    def note(self, node: ast.AST) -> None:
        """Imports, names and files."""
        match node:
            case ast.Import(names=names):
                self.imports += [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = self._absolute(module or "", level)
                self.imports += [base, *(f"{base}.{alias.name}" for alias in names)]
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]
            ):
                if called in ("import_module", "__import__"):
                    level = len(name) - len(name.lstrip("."))
                    self.imports.append(self._absolute(name.lstrip("."), level))
            case ast.Constant(value=str(text)):
                if len(text) <= 100 and FILE.fullmatch(text):
                    self.files.add(text)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self.names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                self.names.add(name)
            case ast.Name(id="__file__"):
                self.looks = True
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.looks = self.looks or any("resources" in n or n == "pkgutil" for n in self.imports)

    def _absolute(self, name: str, level: int) -> str:
        if not level:
            return name
        above = self.package.split(".")[: len(self.package.split(".")) - level + 1]
        return ".".join(filter(None, [*above, name]))
