"""Every method's YAML: it builds its class, and its card is complete."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from harness.core import Method
from harness.core.verified import COMPARED, Verified
from harness.plugins.registry import ROOT, Registry

METHODS = Registry().methods
PARITY = ROOT / "tests/parity"
SHARED = ("test_catalogue.py", "test_pipelines.py")
"""Golden tests of several methods."""
CARD = {"title", "paper", "year", "repository", "idea", "hooks", "cost", "differs", "confidence", "verified"}


@pytest.mark.parametrize("name", METHODS)
def test_card(name):
    plugin = METHODS[name]
    module, cls = plugin.target.rsplit(".", 1)
    made = getattr(importlib.import_module(module), cls)
    assert issubclass(made, Method) and made.kind == plugin.kind and made.name == name
    parameters = list(inspect.signature(made).parameters) if plugin.defaults else []
    assert list(plugin.defaults) == parameters
    given = {plugin.raw["external"]: "somewhere"} if plugin.raw.get("external") else {}
    made(**plugin.defaults | given)
    assert set(plugin.card) == CARD
    assert set(plugin.card["verified"]) == set(Verified.__dataclass_fields__)
    assert plugin.verified.note.endswith(".") and ". " not in plugin.verified.note, "one sentence"
    assert (plugin.verified.repository or plugin.card["repository"]) == plugin.card["repository"]
    assert set(plugin.raw.get("tune") or {}) <= set(plugin.defaults)
    assert set(plugin.raw.get("neutral") or {}) <= set(plugin.defaults) and (
        name == "vanilla" or plugin.kind == "probe" or plugin.raw["neutral"]
    )
    for preset in plugin.presets:
        assert set(preset) <= {"model", "task", "values", "source"} and preset["source"]
        assert set(preset["values"]) <= set(plugin.defaults)
        made(**plugin.defaults | given | preset["values"])


TUNED = [n for n, plugin in METHODS.items() if plugin.kind != "probe" and n != "vanilla"]


@pytest.mark.parametrize("name", TUNED)
def test_embedded_models_have_presets_by_harness_tune_or_a_reason(name):
    plugin = METHODS[name]
    tuned = [p for p in plugin.presets if p["source"].startswith("harness tune on ")]
    whole = {"tiny-llava", "smol-llava"} <= {p["model"] for p in tuned}
    assert whole != bool(plugin.untuned), "either presets of both models, or a sentence on why not"
    assert not plugin.untuned or plugin.untuned.endswith(".")
    assert "budget" not in (plugin.raw.get("tune") or {}), "a budget is given"
    assert all("/calibration (" in p["source"] for p in tuned), "never on what is reported"


@pytest.mark.parametrize("name", [n for n, plugin in METHODS.items() if plugin.verified.level in COMPARED])
def test_what_is_compared_has_golden_numbers_of_that_commit(name):
    assert (PARITY / f"test_{name}.py").is_file() or f'"{name}"' in "".join((PARITY / p).read_text() for p in SHARED)
    verified, pages = METHODS[name].verified, "".join(p.read_text(encoding="utf-8") for p in PARITY.rglob("README.md"))
    rows = re.findall(rf"^\| `{name}`.*", pages, re.MULTILINE)
    source, measured = sorted(rows, key=lambda row: str(verified.commit) not in row)
    assert f"{verified.repository} {verified.commit}".removeprefix("https://github.com/") in source
    said, found = (re.search(r"\d(\.\d+)?e-\d+", text) for text in (verified.difference, measured))
    assert (said is None) == (found is None), "both numbers, or both words"
    if said and found:
        assert float(found[0]) <= float(said[0]) <= 2 * float(found[0]), "the card rounds up what was measured"
