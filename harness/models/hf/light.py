"""transformers without what it imports and never calls here: torch's compiler, and SciPy's optimisers.

They take a sixth of the seconds before a run's first sample. Both are there, as always, for whoever uses them: marks
for the compiler (`torch.compiler.disable` and its like) do nothing as long as nothing is compiled, and everything else
that is asked of a stand-in loads the real module. For processes of harness's own: a script or notebook may compile.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from harness.core import process

COMPILER = "torch._dynamo"
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
    """While open, transformers is imported so; nothing is left behind but what it has taken."""
    kept = {root for package, root in READERS.items() if find_spec(package)}
    names = [name for name in (COMPILER, *CALLED) if name.partition(".")[0] not in kept]
    if not process.alone or "transformers" in sys.modules or any(name in sys.modules for name in names):
        yield
        return
    import torch  # noqa: F401  # it knows its compiler by name alone

    for name in names:
        sys.modules[name] = Standin(name)
    sys.meta_path.insert(0, finder := Inside())
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in names:
            if isinstance(sys.modules.get(name), Standin):
                del sys.modules[name]


class Standin(ModuleType):
    """Of a module that may never be needed."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__path__ = []
        if name == COMPILER:
            for mark in MARKS:
                setattr(self, mark, _marked)
        if name in CALLED:
            setattr(self, CALLED[name], _later(name, CALLED[name]))

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(_real(self.__name__), attribute)


class Inside(MetaPathFinder, Loader):
    """Whoever imports a module inside of a package with a stand-in gets the real package, and that module of it."""

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
    """The module itself, in place of its package's stand-ins."""
    for each in [
        n for n, m in sys.modules.items() if isinstance(m, Standin) and n.partition(".")[0] == name.partition(".")[0]
    ]:
        del sys.modules[each]
    return importlib.import_module(name)


def _later(module: str, name: str) -> Callable[..., Any]:
    """The function, whose module is imported once it is called."""
    return lambda *args, **kwargs: getattr(_real(module), name)(*args, **kwargs)


def _marked(function: Any = None, *_: Any, **__: Any) -> Any:
    """As a decorator, with and without arguments."""
    return function if callable(function) else lambda own: own
