"""What a command imports before it answers: torch only where a model is loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.config.compose import run
from harness.config.kinds import annotated
from harness.config.signatures import Unclear, stated
from harness.engine.plan import compose
from harness.plugins.registry import Registry

COMMANDS = (
    ("task=pope", "method=vista", "limit=18", "lam=0.05"),
    ("task=pope", "method=[iri,vcd]", "limit=18", "k1=3", "method.vcd.alpha=0.5"),
)
COMPOSE = """
import json, sys
from harness.config.compose import run
from harness.engine.plan import compose
found = []
for words in json.loads(sys.argv[1]):
    run(words, lambda config: found.append(compose(config).identity) or 0)
print(json.dumps([found, sorted({"torch", "transformers"} & set(sys.modules))]))
"""


def test_an_identity_is_found_without_torch_and_is_the_same(workdir):
    """Also with a method's own settings, and with methods that calibrate themselves: the first time such a method is
    named it is asked whether it needs an artefact, and that is remembered."""
    here = []
    for words in COMMANDS:
        assert run(words, lambda config: here.append(compose(config).identity) or 0) == 0
    assert "calibration" in here[1]["methods"][0] and "calibration" not in here[0]["methods"][0]
    done = subprocess.run(
        [sys.executable, "-c", COMPOSE, json.dumps(COMMANDS)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [json.loads(json.dumps(here)), []]


def test_what_is_remembered_of_a_calibration_depends_on_its_values(workdir):
    """Without strength no artefact is needed; that is not remembered of the method with strength."""
    for words, needed in ((("la=0", "lm=0"), False), ((), True), (("la=0", "lm=0"), False)):
        found = []
        run(("task=pope", "method=iri", "limit=18", *words), lambda c, found=found: found.append(compose(c)) or 0)
        assert ("calibration" in found[0].identity["methods"][0]) == needed


def test_arguments_are_read_from_the_source_as_the_class_has_them():
    """Of every method and model that can be named."""
    read = 0
    for group in ("method", "model"):
        for plugin in Registry().group(group).values():
            module, _, name = plugin.target.rpartition(".")
            parameters = _parameters(module, name)
            assert stated(plugin.target) == parameters == annotated(plugin.target), plugin.name
            read += 1
    assert read > 30


def _parameters(module: str, name: str) -> dict[str, str]:
    import importlib
    import inspect

    found: dict[str, str] = {}
    for cls in getattr(importlib.import_module(module), name).__mro__:
        parameters = inspect.signature(cls.__init__).parameters.values()
        named = {p.name: p.annotation for p in parameters if p.kind is not p.VAR_KEYWORD}
        found = {k: a for k, a in named.items() if a is not inspect.Parameter.empty} | found
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def test_a_source_that_does_not_tell_is_unclear(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "untold_source.py").write_text(
        "from dataclasses import dataclass\nimport numpy\n@dataclass\nclass A:\n    x: int\n"
        "class B(numpy.ndarray): ...\nclass C:\n    def __init__(self, x: 'int | None', *, y: float = 1): ...\n"
        "class D(C):\n    def __init__(self, z: str, **more): ...\n"
    )
    for name in ("A", "B", "E"):
        with pytest.raises(Unclear):
            stated(f"untold_source.{name}")
    assert annotated("untold_source.A") == {"x": int}
    assert stated("untold_source.D") == {"x": "'int | None'", "y": "float", "z": "str"}
    assert "untold_source" in sys.modules
