"""The modules behind a class, and what of their text counts."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.runs import sources
from harness.runs.sources import code, defines
from harness.runs.syntax import parsed

ROOTS = ["pack.method"]
FILES = {
    "pack/__init__.py": "",
    "pack/method.py": "from pack.parent import Parent\nfrom . import beside\nimport json\nclass M(Parent): pass\n",
    "pack/parent.py": "from .deep.base import *\nclass Parent(Base): pass\n",
    "pack/beside.py": "def f():\n    from pack.lazy import g\n    return g()\n",
    "pack/lazy.py": "from importlib import import_module\ndef g(): return import_module('.named', 'pack')\n",
    "pack/named.py": "x = 1\n",
    "pack/deep/__init__.py": "y = 1\n",
    "pack/deep/base.py": "import typing\nif typing.TYPE_CHECKING:\n    from pack.types import T\nclass Base: pass\n",
    "pack/types.py": "T = int\n",
    "pack/unused.py": "z = 1\n",
    "loose.py": "import helper\nclass L: pass\n",
    "helper.py": "import numpy\n",
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """The files above on the path."""
    place = tmp_path / "here"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    monkeypatch.syspath_prepend(str(place))
    yield place
    for name in [m for m in sys.modules if m.split(".")[0] in ("pack", "loose", "helper")]:
        del sys.modules[name]


def edit(path: Path, text: str) -> None:
    path.write_text(text)
    importlib.invalidate_caches()


def test_all_that_is_imported_counts_and_nothing_else(tree):
    assert list(code(ROOTS)) == [
        "pack/beside.py",
        "pack/deep/__init__.py",
        "pack/deep/base.py",
        "pack/lazy.py",
        "pack/method.py",
        "pack/named.py",
        "pack/parent.py",
    ]
    assert not {m for m in sys.modules if m.split(".")[0] == "pack"}, "a module was imported"


def test_code_beside_a_plug_in_counts_and_what_is_installed_does_not(tree):
    assert list(code(["loose"])) == ["helper.py", "loose.py"]
    installed = tree / "site-packages"
    installed.mkdir()
    (tree / "helper.py").rename(installed / "helper.py")
    sys.path.insert(0, str(installed))
    try:
        assert list(code(["loose"])) == ["loose.py"]
        assert list(code(["helper"])) == ["helper.py"], "a plug-in that is installed is ours all the same"
    finally:
        sys.path.remove(str(installed))


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("pack") and "types" not in n and "unused" not in n])
def test_a_change_anywhere_is_seen(tree, name):
    before = code(ROOTS)
    edit(tree / name, FILES[name] + "changed = True\n")
    after = code(ROOTS)
    assert {k for k in after if before.get(k) != after[k]} == {name}


def test_a_change_elsewhere_is_not(tree):
    before = code(ROOTS)
    edit(tree / "pack/types.py", "T = str\n")
    edit(tree / "pack/unused.py", "z = 2\n")
    assert code(ROOTS) == before


def test_a_moved_folder_is_the_same_code(tree, monkeypatch):
    before = code(ROOTS)
    moved = tree.rename(tree.with_name("there"))
    monkeypatch.syspath_prepend(str(moved))
    importlib.invalidate_caches()
    assert code(ROOTS) == before != {}


PLAIN = "import os\n\ndef f(x):\n    return x + 1\n\nLIMIT = 3\n"


@pytest.mark.parametrize(
    "text",
    [
        '"""What it is."""\n' + PLAIN,
        "# a comment\n" + PLAIN.replace("x + 1", "x + 1  # one more"),
        PLAIN.replace("(x):", '(x):\n    """One more."""'),
        PLAIN + '"""At most."""\n',
        PLAIN.replace("x + 1", "(\n        x\n        + 1\n    )"),
        PLAIN.replace("\n", "\r\n"),
        '__version__ = "2"\n' + PLAIN,
    ],
    ids=["docstring", "comments", "inner docstring", "attribute docstring", "format", "line ends", "version"],
)
def test_prose_and_format_change_nothing(text):
    assert parsed(text.encode(), "p").digest == parsed(PLAIN.encode(), "p").digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("x + 1", "x + 2"), ("x + 1", "x - 1"), ("LIMIT = 3", "LIMIT = 3.0"), ("def f(x)", "def f(x=None)"), ("3", "'3'")],
)
def test_code_does(old, new):
    assert parsed(PLAIN.replace(old, new).encode(), "p").digest != parsed(PLAIN.encode(), "p").digest


def test_a_file_that_is_no_python_counts_byte_by_byte():
    assert parsed(b"def", "p").digest != parsed(b"def ", "p").digest != ""
    assert parsed(b'"""Only prose."""\n', "p").digest == ""


def test_what_is_nested_too_deeply_to_walk_counts_byte_by_byte():
    deep = b"import os\nx = " + b" + ".join([b"'a'"] * 2000) + b"\n"
    assert parsed(deep, "p").digest != parsed(deep + b"# more\n", "p").digest and parsed(deep, "p").imports == ("os",)


def test_digests_are_the_same_on_every_python():
    """Recorded once: a syntax tree is written without what versions of Python add to it."""
    text = b"@d\nasync def f(a, *, b: int = 1, **k) -> str:\n    return f'{a!r:>{b}} {b=}' if (c := k) else [*a]\n"
    assert parsed(text, "p").digest == "27af965891e06063"


def test_data_files_beside_the_code_count(tree):
    (tree / "pack/words.txt").write_text("dog\n")
    (tree / "pack/notes.md").write_text("prose\n")
    (tree / "pack/lists").mkdir()
    (tree / "pack/lists/a.json").write_text("[]")
    assert "pack/words.txt" not in code(ROOTS), "nothing reads it"
    edit(
        tree / "pack/named.py",
        "import pathlib\nHERE = pathlib.Path(__file__).parent\nALL = (HERE / 'lists').iterdir()\n",
    )
    before = code(ROOTS)
    assert {"pack/words.txt", "pack/lists/a.json"} <= set(before) and "pack/notes.md" not in before
    (tree / "pack/words.txt").write_text("cat\n")
    assert code(ROOTS) != before
    edit(tree / "pack/named.py", "x = open_beside('words.txt'), 'notes.md'\n")
    assert {"pack/words.txt", "pack/notes.md"} <= set(code(ROOTS)) and "pack/lists/a.json" not in code(ROOTS)


def test_what_is_in_memory_counts_not_what_became_of_the_file(tree):
    """A sweep continues with the code that it began with, whoever edits the file meanwhile."""
    before = code(ROOTS)
    importlib.import_module("pack.method")
    sources.pin()
    edit(tree / "pack/method.py", FILES["pack/method.py"] + "changed = True\n")
    edit(tree / "pack/unused.py", "z = 2\n")
    assert code(ROOTS) == before
    module = sys.modules["pack.method"]
    time.sleep(0.01)
    importlib.reload(module)
    assert code(ROOTS) != before, "a reload brings the new code"


def test_names(tree):
    edit(tree / "pack/parent.py", "class Parent:\n    needs = True\n    def asks(self): ...\n")
    assert defines("pack.method", "needs") and defines("pack.method", "asks") and not defines("pack.method", "gone")


def test_nothing_heavy_is_imported():
    roots = ["harness.methods.activations.vista", "harness.models.hf.model"]
    words = f"import sys; from harness.runs.sources import code; c = code({roots})"
    there = "'harness/steering/hooks.py' in c and 'harness/methods/activations/vista.py' in c"
    test = f"assert {there} and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{words}; {test}"], cwd=Path(__file__).parents[2], check=True)
