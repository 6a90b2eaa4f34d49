"""NLTK's word tokenizer without the rest of NLTK, whose import brings pandas, SciPy and scikit-learn along."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType


def tokenizer() -> Callable[[str], list[str]]:
    """Splits a sentence into Treebank tokens."""
    if "nltk" in sys.modules:
        return _whole()
    before = set(sys.modules)
    try:
        return _alone()
    except (ImportError, AttributeError):  # another layout than that of NLTK 3.9
        _forget(before)
        return _whole()
    finally:
        _forget(before)


def _whole() -> Callable[[str], list[str]]:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer().tokenize


def _alone() -> Callable[[str], list[str]]:
    """The same class, below packages whose own `__init__` did not run."""
    spec = find_spec("nltk")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("nltk")
    here = spec.submodule_search_locations[0]
    for name, path in (("nltk", here), ("nltk.tokenize", f"{here}/tokenize")):
        package = ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package
    return _whole()


def _forget(before: set[str]) -> None:
    """Whoever imports nltk later gets the real one."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "nltk" and n not in before]:
        del sys.modules[name]
