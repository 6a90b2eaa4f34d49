from __future__ import annotations

import sys

import pytest
import yaml

from harness.core import UsageError
from harness.core.verified import Verified
from harness.plugins.registry import Registry

COMMIT = "0123456789abcdef" * 2 + "01234567"
WHOLE = {
    "level": "end to end",
    "repository": "https://github.com/someone/method",
    "commit": COMMIT,
    "difference": 1e-5,
    "note": "All cases.",
}


def found(folder, monkeypatch, card):
    """The field as a third party's card gives it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "mine.yaml").write_text(yaml.safe_dump({"_target_": "mine.Mine", "kind": "pipeline", "card": card}))
    return Registry([folder]).get("method", "mine").verified


def test_a_card_without_the_field_is_not_verified(tmp_path, monkeypatch):
    assert found(tmp_path, monkeypatch, {"title": "Mine"}) == Verified() == Verified(level="none")
    assert found(tmp_path, monkeypatch, {"verified": None}).link == ""


def test_a_whole_field(tmp_path, monkeypatch):
    made = found(tmp_path, monkeypatch, {"verified": WHOLE})
    assert made == Verified(**WHOLE | {"difference": "1e-05"})
    assert made.link == f"https://github.com/someone/method/tree/{COMMIT}"
    assert made.source == "someone/method@0123456"


def test_a_repository_without_code_has_no_commit(tmp_path, monkeypatch):
    raw = {"level": "formulas only", "repository": WHOLE["repository"], "note": "No code."}
    made = found(tmp_path, monkeypatch, {"verified": raw})
    assert (made.source, made.link) == ("someone/method", WHOLE["repository"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (WHOLE | {"level": "fully"}, "unknown level 'fully': choose one of end to end, function, formulas only, none"),
        (WHOLE | {"level": ["none"]}, r"unknown level \['none'\]"),
        ({"note": "No level."}, "unknown level None"),
        ("end to end", "'end to end' is not a mapping"),
        (WHOLE | {"diff": 1}, "unknown key diff: use level, repository"),
        (WHOLE | {"commit": "main"}, "commit 'main' is not 40 hexadecimal digits"),
        (WHOLE | {"commit": None}, "level 'end to end' needs commit"),
        (WHOLE | {"difference": None}, "level 'end to end' needs difference"),
        (WHOLE | {"repository": "someone/method"}, "repository 'someone/method' is not a https:// address"),
        (WHOLE | {"note": ""}, "level 'end to end' needs note"),
        (WHOLE | {"level": "formulas only"}, "has no numbers of the authors: set difference to null"),
    ],
)
def test_faults_are_one_line_with_the_file(tmp_path, monkeypatch, raw, message):
    with pytest.raises(UsageError, match=message) as e:
        found(tmp_path, monkeypatch, {"verified": raw})
    assert str(e.value).startswith(f"{tmp_path / 'mine.yaml'}: card: verified: ") and "\n" not in str(e.value)
