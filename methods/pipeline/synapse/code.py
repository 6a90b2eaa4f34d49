"""Action code without running it: calls of known actions, literals and simple loops, read from Python's syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from harness.tasks.miniwob.actions import FORMS, LONG, Action, Malformed, checked, parse, syntax

BLOCK = re.compile(r"```(?:\w*\n)?(.*?)(?:```|\Z)", re.DOTALL)
MOST = 50
"""Actions of one block."""
STEPS = 1000
"""Statements that are looked at; a loop counts each round."""
VALUES = 10_000
"""Expressions that are worked out. Each makes at most LONG characters or items (`LONG`)."""
LENGTH = 20_000
"""Characters of code."""


def read(answer: str) -> list[Action]:
    """The actions of an answer's first code block, or of the whole answer. Raises Malformed, and nothing else."""
    block = BLOCK.search(answer)
    text = (block[1] if block else answer).strip()
    try:
        if len(text) > LENGTH:
            raise Malformed(f"the code has more than {LENGTH} characters")
        tree = syntax(text, "exec")
    except Malformed as e:
        if block is None:
            return [parse(answer)]  # one action among words
        raise Malformed(f"the code block: {e}") from e
    assert isinstance(tree, ast.Module)
    try:
        found = list(_Reader().actions(tree.body, {}))
    except RecursionError as e:
        raise Malformed("the code is nested too deeply") from e
    if not found:
        raise Malformed("the code holds no action")
    return found


class _Reader:
    def __init__(self) -> None:
        self.steps = self.found = self.values = 0

    def actions(self, body: list[ast.stmt], names: dict[str, Any]) -> Iterator[Action]:
        for node in body:
            self.steps += 1
            if self.steps > STEPS:
                raise Malformed(f"the code has more than {STEPS} steps")
            match node:
                case ast.Expr(ast.Call() as call):
                    self.found += 1
                    if self.found > MOST:
                        raise Malformed(f"the code has more than {MOST} actions")
                    yield self._action(call, names)
                case ast.Expr(ast.Constant()) | ast.Pass():
                    pass
                case ast.Assign([ast.Name(name)], value):
                    names[name] = self._value(value, names)
                case ast.For(ast.Name(name), source, inside, []):
                    values = self._value(source, names)
                    if not isinstance(values, list | tuple | range | str):
                        raise Malformed("a loop needs a list, a text or a range")
                    for value in values:
                        names[name] = value
                        yield from self.actions(inside, names)
                case _:
                    raise Malformed(
                        f"{type(node).__name__} is not allowed: write calls of actions, lists and for loops"
                    )

    def _action(self, call: ast.Call, names: dict[str, Any]) -> Action:
        match call.func:
            case ast.Name(name) | ast.Attribute(ast.Name("agent"), name):
                pass
            case _:
                raise Malformed("only actions can be called")
        if name not in FORMS or call.keywords:
            raise Malformed(f"{name} is not a known action with plain arguments")
        values = [self._value(a, names) for a in call.args]
        if any(isinstance(v, list | tuple | range) for v in values):
            raise Malformed(f"the arguments of {name} are texts and numbers")
        return checked(name, values)  # by the task's own rules

    def _value(self, node: ast.expr, names: dict[str, Any]) -> Any:
        self.values += 1
        if self.values > VALUES:
            raise Malformed(f"the code works out more than {VALUES} values")
        match node:
            case ast.Constant(str() | int() | float() as value):
                return _short(value)
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
                return _short(-value)
            case ast.Name(name) if name in names:
                return names[name]
            case ast.List(items) | ast.Tuple(items):
                return _short([self._value(i, names) for i in items])
            case ast.Call(ast.Name("range"), args, []) if 1 <= len(args) <= 3:
                return self._range([self._value(a, names) for a in args])
            case ast.Call(ast.Name("str"), [value], []):
                return _text(self._value(value, names))
            case ast.BinOp(left, ast.Add(), right):
                return self._sum(self._value(left, names), self._value(right, names))
            case ast.Subscript(source, index):
                return self._item(self._value(source, names), self._value(index, names))
            case ast.JoinedStr(parts):
                return _short("".join(_text(self._value(p, names)) for p in parts))
            case ast.FormattedValue(value, -1, None):
                return self._value(value, names)
        raise Malformed(f"{type(node).__name__} is not allowed in an argument")

    def _range(self, values: list[Any]) -> range:
        if not all(isinstance(v, int) for v in values) or (len(values) == 3 and not values[2]):
            raise Malformed("range needs whole numbers")
        return _short(range(*values))

    def _sum(self, left: Any, right: Any) -> Any:
        both = isinstance(left, str) and isinstance(right, str)
        if not both and not all(isinstance(v, int | float) for v in (left, right)):
            raise Malformed("only two texts or two numbers can be added")
        return _short(left + right)

    def _item(self, source: Any, index: Any) -> Any:
        if not isinstance(source, list | str) or not isinstance(index, int):
            raise Malformed("an index needs a list or a text, and a whole number")
        try:
            return source[index]
        except IndexError as e:
            raise Malformed("an index is out of range") from e


def _text(value: Any) -> str:
    """A list is not written out: one that holds itself twice, again and again, has no end that memory sees."""
    if not isinstance(value, str | int | float):
        raise Malformed("only texts and numbers can be written as text")
    return str(value)


def _short(value: Any) -> Any:
    length = len(value) if isinstance(value, str | list | range) else 0
    if length > LONG or (isinstance(value, int) and abs(value) > 10**9):
        raise Malformed("a value is too long")
    return value
