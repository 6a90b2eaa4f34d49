"""transformers without what it imports and never calls here: torch's compiler, SciPy's optimisers, tensors that are
spread over several processes.

They take a quarter of the seconds before a run's first sample. Compiler and optimisers are there, as always, for
whoever uses them: marks for the compiler (`torch.compiler.disable` and its like) do nothing as long as nothing is
compiled, and everything else that is asked of a stand-in loads the real module. transformers alone takes torch for a
build without `torch.distributed`. For processes of harness's own: a script or notebook may compile, and be one of
several.
"""

from __future__ import annotations

import contextlib
import importlib
import operator
import sys
from collections.abc import Callable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from harness.core import process

COMPILER = "torch._dynamo"
SHAPES = "torch.fx.experimental.symbolic_shapes"
"""Of the compiler, with sympy: torch asks it about each check of a tensor without numbers."""
ALGEBRA, TERM = "sympy", "Basic"
"""torch asks whether an argument is a term of it."""
PLAIN: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(
        ("expect_true", "guard_or_false", "guard_or_true", "guard_size_oblivious", "statically_known_true"),
        lambda condition, *_: condition,
    ),
    "is_nested_int": lambda _: False,
    "sym_and": lambda *conditions: all(conditions),
    "sym_or": lambda *conditions: any(conditions),
    "sym_eq": operator.eq,
}
"""Its functions -> what they give for plain numbers and conditions."""
MARKS = ("allow_in_graph", "assume_constant_result", "disable", "forbid_in_graph")
CALLED = {
    f"{COMPILER}._trace_wrapped_higher_order_op": "TransformGetItemToIndex",
    "scipy.optimize": "linear_sum_assignment",
}
"""Modules, and what transformers imports from each to call it where it needs it."""
READERS = {"torchvision": "torch"}
"""Packages that transformers imports where they are installed -> whose parts, which have no stand-in, they import."""


@contextlib.contextmanager
def light() -> Iterator[None]:
    """While open, transformers is imported so; nothing is left behind but what it has taken, and `SHAPES`."""
    kept = {root for package, root in READERS.items() if find_spec(package)}
    names = [name for name in (COMPILER, SHAPES, ALGEBRA, *CALLED) if name.partition(".")[0] not in kept]
    names = [name for name in names if name not in sys.modules]
    if not process.alone or "transformers" in sys.modules or not names:
        yield
        return
    import torch  # it knows its compiler by name alone

    for name in names:
        sys.modules[name] = Standin(name)
    sys.meta_path.insert(0, finder := Inside())
    try:
        _single(torch.distributed)
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in names:  # torch asks for shapes with each model and each picture
            if name != SHAPES and isinstance(sys.modules.get(name), Standin):
                del sys.modules[name]


def _single(distributed: Any) -> None:
    """Let transformers, which asks once and keeps the answer, find that torch has no part for several processes."""
    from transformers.utils.import_utils import is_torch_distributed_available

    there, distributed.is_available = distributed.is_available, lambda: False
    try:
        is_torch_distributed_available()
    finally:
        distributed.is_available = there


class Standin(ModuleType):
    """Of a module that may never be needed."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__path__ = []
        if name == COMPILER:
            for mark in MARKS:
                setattr(self, mark, _marked)
        if name == ALGEBRA:
            setattr(self, TERM, type(TERM, (), {}))  # as long as it is not there, nothing is one
        if name == SHAPES:
            for function, plainly in PLAIN.items():
                setattr(self, function, _plain(function, plainly))
        if name in CALLED:
            setattr(self, CALLED[name], _later(name, CALLED[name]))

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if self.__name__ == SHAPES and attribute.islower():  # a function, which is imported and may not be called
            return _later(SHAPES, attribute)
        return getattr(_real(self.__name__), attribute)


class Inside(MetaPathFinder, Loader):
    """Whoever imports a module inside a package with a stand-in gets the real package, and that module of it."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        parent = fullname.rpartition(".")[0]
        if not isinstance(sys.modules.get(parent), Standin):
            return None
        real = _real(parent)
        if fullname in sys.modules:  # the package has imported it
            return ModuleSpec(fullname, self, origin=fullname)
        return PathFinder.find_spec(fullname, real.__path__)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._spec = sys.modules[spec.name].__spec__
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _real(name: str) -> Any:
    """The module itself, instead of its stand-in and those around it and in it."""
    inside = lambda one, other: f"{one}.".startswith(f"{other}.")  # noqa: E731
    for each in [n for n, m in sys.modules.items() if isinstance(m, Standin) and (inside(n, name) or inside(name, n))]:
        del sys.modules[each]
    return importlib.import_module(name)


def _later(module: str, name: str) -> Callable[..., Any]:
    """The function, whose module is imported once it is called."""
    return lambda *args, **kwargs: getattr(_real(module), name)(*args, **kwargs)


def _plain(name: str, plainly: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose module is imported once it is called with something symbolic."""

    def given(*values: Any) -> Any:
        parts = [part for value in values for part in (value if type(value) is tuple else [value])]
        plain = all(type(part) in (bool, int, float) for part in parts)
        return plainly(*values) if plain else getattr(_real(SHAPES), name)(*values)

    return given


def _marked(function: Any = None, *_: Any, **__: Any) -> Any:
    """As a decorator, with and without arguments."""
    return function if callable(function) else lambda own: own
