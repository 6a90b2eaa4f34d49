"""What makes a new run: a test for each line of the table in docs/runs.md.

A run is composed before and after a change, on a copy of the sources or with other settings. "nothing": it has the same
name. "rescored": it has another name and the same way to answer. "new run": it answers in another way, or (`asked`) it
is asked something else, which tests/engine/test_rescoring.py plays.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import harness.tasks.chair.task
import harness.tasks.pope.task  # loaded from here, before copies stand before them on the path
from harness.config.compose import run
from harness.core.files import DIGESTS
from harness.embedded.tiny_llava import WEIGHTS
from harness.engine.plan import compose

REPO = Path(__file__).parents[2]
FIRST = "from __future__ import annotations\n"
VISTA = ("task=pope", "method=vista", "limit=18")
CASES: dict[str, Callable[[Any], str]] = {}


def line(name: str) -> Callable[[Any], Any]:
    """The test of one line of the table: a function that makes the change and says what it does."""
    return lambda test: CASES.setdefault(name, test)


@dataclass
class World:
    """Where a case happens: a copy of the project on the path, a folder of plug-ins, and ways to change both."""

    place: Path
    patch: pytest.MonkeyPatch

    def config(self, *words: str) -> dict[str, Any]:
        """As the command line resolves it; words that were resolved before are not again."""
        if words not in RESOLVED or any("plugins" in w for w in words):
            found: list[dict[str, Any]] = []
            assert run([*words, "logger=quiet"], lambda c: found.append(c) or 0) == 0
            RESOLVED[words] = found[0]
        return copy.deepcopy(RESOLVED[words])

    def set(self, config: dict[str, Any], **values: Any) -> dict[str, Any]:
        """A copy with other values: `model_dtype` is model.dtype."""
        made = copy.deepcopy(config)
        for key, value in values.items():
            group, _, name = key.partition("_")
            if name and isinstance(made.get(group), dict):
                made[group][name] = value
            else:
                made[key] = value
        return made

    def edit(self, file: str, old: str, new: str) -> None:
        """In the copy of the project."""
        path = self.place / "project" / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))
        importlib.invalidate_caches()

    def project(self) -> None:
        """Put a copy of the project's sources first on the path: what is loaded stays, what is hashed is the copy."""
        for name in ("harness", "methods", "tasks"):
            kept = shutil.ignore_patterns("*.parquet", "weights", "__pycache__", "*.md", "*.png", "*.webp")
            shutil.copytree(REPO / name, self.place / "project" / name, symlinks=True, ignore=kept)
        self.patch.syspath_prepend(str(self.place / "project"))

    def code(self, config: dict[str, Any], file: str, old: str = FIRST, new: str = f"{FIRST}CHANGED = 1\n") -> str:
        """What an edit of the sources does to a run: another text, or a line of code more."""
        self.project()
        before = key(config)
        self.edit(file, old, new)
        return between(before, key(config))

    def plug(self, name: str, text: str) -> Path:
        """A file of a plug-in."""
        path = self.place / "plug" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        return path


RESOLVED: dict[tuple[str, ...], dict[str, Any]] = {}


def key(config: dict[str, Any]) -> tuple[str, str]:
    """(name of the run, its way to answer)."""
    made = compose(config)
    return made.directory.name, made.identity["answers"]


def between(before: tuple[str, str], after: tuple[str, str]) -> str:
    if before == after:
        return "nothing"
    assert before[0] != after[0]
    return "rescored" if before[1] == after[1] else "new run"


def asked(said: str) -> str:
    """After a change of what is asked, answers would be made as before, but no stored one fits."""
    assert said == "rescored"
    return "new run"


LOAD = cache(harness.tasks.pope.task.load)
"""The embedded records do not change here."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness.tasks.pope.task, "load", LOAD)
    return World(tmp_path, monkeypatch)


def table() -> dict[str, str]:
    """The lines of docs/runs.md: what changes -> what then happens."""
    text = (REPO / "docs" / "runs.md").read_text()
    rows = text.split("| what changes | then |\n|---|---|\n")[1].split("\n\n")[0]
    return dict(re.fullmatch(r"\| (.*) \| (.*) \|", row).groups() for row in rows.strip().splitlines())


def test_every_line_has_a_case():
    assert list(CASES) == list(table())


@pytest.mark.parametrize("name", table())
def test_what_a_change_does(world, name):
    assert table()[name].split(":")[0].split(";")[0] == CASES[name](world)


# Code


@line("a method's class file")
def _(w):
    return w.code(w.config(*VISTA), "methods/activations/vista.py", "return", "return 0 or")


@line("a helper module of methods (`methods/_shared/contrast.py`)")
def _(w):
    return w.code(
        w.config("task=pope", "method=vcd", "limit=18"), "methods/_shared/contrast.py", "return", "return 0 or"
    )


@line("a parent class")
def _(w):
    return w.code(
        w.config(*VISTA), "harness/steering/method.py", "calibrated_by: Sequence[str] = ()", "calibrated_by = []"
    )


@line("a module that is imported inside a function")
def _(w):
    return w.code(w.config(*VISTA), "harness/models/hf/likelihoods.py", "began = ", "start = ")


@line("a data file that a method reads beside itself")
def _(w):
    w.plug("mine/__init__.py", "")
    w.plug("mine/look.json", "[1]")
    w.plug("mine/look.py", "import pathlib\nHEADS = pathlib.Path(__file__).with_suffix('.json')\nclass Look: ...\n")
    card = "title: x\n  paper: null\n"
    w.plug("mine/look.yaml", f"_target_: mine.look.Look\nkind: steering\ncard:\n  {card}defaults: {{}}\npresets: []\n")
    config = w.config("task=pope", "method=look", "limit=18", "plugins=[plug]")
    before = key(config)
    w.plug("mine/look.json", "[2]")
    return between(before, key(config))


@line("what methods share about patches (`methods/_shared/patches.py`)")
def _(w):
    return w.code(
        w.config("task=pope", "method=gift", "limit=18"), "methods/_shared/patches.py", "return", "return 0 or"
    )


@line("the steering layer's hooks (`harness/steering/hooks.py`)")
def _(w):
    return w.code(w.config(*VISTA), "harness/steering/hooks.py")


@line("the encoding of prompts (`harness/models/hf/prompts.py`)")
def _(w):
    return w.code(
        w.config(*VISTA), "harness/models/hf/prompts.py", '"add_special_tokens": False', '"add_special_tokens": True'
    )


@line("a model's backend (`harness/models/hf/model.py`, `harness/models/openai/messages.py`)")
def _(w):
    local = w.code(w.config(*VISTA), "harness/models/hf/model.py", "KEPT_BYTES if self.pad", "KEPT_BYTES if True")
    server = w.config(
        "task=pope",
        "limit=18",
        "task.data=embedded",
        "model=openai",
        "model.name=x",
        "model.base_url=http://localhost/v1",
    )
    before = key(server)
    w.edit("harness/models/openai/messages.py", '"temperature": ', '"heat": ')
    assert between(before, key(server)) == "new run"
    return local


@line("the scheduler, or the draw of `limit=`")
def _(w):
    scheduler = w.code(w.config(*VISTA), "harness/engine/schedule.py", "{self.seed}", "{0}")
    before = key(w.config(*VISTA))
    w.edit("harness/engine/limit.py", "random.Random(seed)", "random.Random(0)")
    assert between(before, key(w.config(*VISTA))) == "new run"
    return scheduler


@line("what a task asks: its prompt, suffix or limit of tokens")
def _(w):
    config = w.config(*VISTA)
    for other in (w.set(config, task_suffix=" Yes or no?"), w.set(config, task_max_new_tokens=3)):
        assert between(key(config), key(other)) == "rescored"
    return asked(w.code(config, "tasks/pope/task.py", "record.question + ", '"" + '))


@line("a task's parser")
def _(w):
    config = w.config(*VISTA)
    assert between(key(config), key(w.set(config, task_parser="vcd"))) == "rescored"
    return w.code(config, "tasks/pope/parsers.py", '"not", "no"', '"no"')


@line("a task's scorer")
def _(w):
    return w.code(w.config(*VISTA), "tasks/pope/task.py", "verdict == record.label", "verdict != record.label")


@line("a task's `aggregate`, or the statistics behind it")
def _(w):
    own = w.code(w.config(*VISTA), "tasks/pope/scoring.py", "mean(", "1 * mean(")
    before = key(w.config(*VISTA))
    w.edit("harness/stats/jackknife.py", "return", "return 0 or")
    assert between(before, key(w.config(*VISTA))) == "rescored"
    return own


@line("a word list or script that a task reads beside itself (`forms.json`, `page.js`)")
def _(w):
    before = w.code(w.config("task=chair", "limit=4"), "tasks/chair/forms.json", "{", "{ ")
    for name in ("tasks/chair/double_words.json", "tasks/chair/synonyms.txt"):
        known = key(w.config("task=chair", "limit=4"))
        w.edit(name, "\n" if name.endswith("txt") else "{", "\n\n" if name.endswith("txt") else "{ ")
        assert between(known, key(w.config("task=chair", "limit=4"))) == before
    from harness.runs.identity import code_of_scores

    config = {"task": {"_target_": "harness.tasks.miniwob.task.MiniWob"}, "model": {"_target_": "x.Y"}, "method": {}}
    known = code_of_scores(config)
    w.edit("tasks/miniwob/page.js", ";", "; ")
    assert code_of_scores(config) != known
    return before


@line("comments, docstrings, formatting")
def _(w):
    config = w.config("task=pope", "method=vcd", "limit=18")
    said = {w.code(config, "methods/_shared/contrast.py", '"""', '"""Well: ')}
    for file in (
        "methods/decoding/vcd.py",
        "harness/steering/batch.py",
        "tasks/pope/parsers.py",
        "harness/engine/limit.py",
    ):
        before = key(config)
        w.edit(file, "from __future__", "# a remark\n\n\nfrom __future__")
        said.add(between(before, key(config)))
    (one,) = said
    return one


@line(
    "the version of harness, and code that changes no answer and no score (store, site, gate, commands, the Python API)"
)
def _(w):
    config = w.config(*VISTA)
    said = {w.code(config, "harness/__init__.py", "__version__ = ", 'PUBLIC = 1\n__version__ = "9" + ')}
    places = (
        "api/evaluate",
        "commands/eval",
        "store/ingest",
        "leaderboard/build",
        "gate/verdicts",
        "loggers/console",
        "engine/evaluate",
    )
    for name in (*places, "runs/sources", "runs/syntax", "plugins/registry"):
        before = key(config)
        w.edit(
            f"harness/{name}.py", "from __future__ import annotations\n", "from __future__ import annotations\nX = 1\n"
        )
        said.add(between(before, key(config)))
    (one,) = said
    return one


# Settings

COLOURS = """
import io
from pathlib import Path
from PIL import Image
from harness.core import Metric, Outcome, Picture, Request, Sample, Task, user
class Colours(Task):
    def __init__(self, root, parser):
        self.root, self.parser = root, parser
    def fingerprint(self):
        from harness.records import mark
        rows = [[s.id, s.target, s.data["text"], mark(s.data["picture"])] for s in self.samples()]
        return repr([rows, self.parser])
    def samples(self):
        import json
        for row in json.loads(Path(self.root, "rows.json").read_text()):
            picture = Picture(Path(self.root, row["image"]))
            yield Sample(row["id"], row["id"], "all", row["label"], {"text": row["text"], "picture": picture})
    def episode(self, sample):
        reply = yield Request(user(sample.data["picture"], sample.data["text"]), 4)
        return Outcome(reply.text, {"correct": float(sample.target in reply.text)})
    def aggregate(self, results):
        return [Metric("accuracy", sum(r.outcome.scores["correct"] for r in results) / len(results), primary=True)]
"""
YAML = """
_target_: hues.task.Colours
version: 1
default_model: tiny-llava
official: embedded
variants: {embedded: x}
card: {title: Colours}
defaults: {root: data, parser: plain}
"""


def hues(w: World) -> tuple[str, ...]:
    """A plug-in task over two pictures; the words that play it."""
    w.plug("hues/task.py", COLOURS)
    w.plug("hues/task.yaml", YAML)
    (w.place / "data").mkdir()
    rows = [{"id": c, "image": f"{c}.bmp", "text": f"Is it {c}?", "label": c} for c in ("red", "blue")]
    (w.place / "data" / "rows.json").write_text(json.dumps(rows))
    for c in ("red", "blue"):
        Image.new("RGB", (32, 32), c).save(w.place / "data" / f"{c}.bmp")
    return ("task=hues", "plugins=[plug]")


def look(w: World, defaults: str = "{alpha: 0.5}", presets: str = "[]", title: str = "Look") -> tuple[str, ...]:
    """A plug-in method; the words that play it."""
    w.plug(
        "look.py", "from harness.steering import Steering\nclass Look(Steering):\n    def __init__(self, alpha): ...\n"
    )
    text = f"_target_: look.Look\nkind: steering\ncard: {{title: {title}, paper: null}}\ndefaults: {defaults}\n"
    w.plug("look.yaml", text + f"presets: {presets}\n")
    return ("task=pope", "method=look", "limit=18", "plugins=[plug]")


@line("a default in a method's YAML")
def _(w):
    before = key(w.config(*look(w)))
    return between(before, key(w.config(*look(w, "{alpha: 0.6}"))))


@line("a preset that applies")
def _(w):
    before = key(w.config(*look(w)))
    other = "[{model: llava-1.5, task: pope, values: {alpha: 0.7}, source: x}]"
    assert between(before, key(w.config(*look(w, presets=other)))) == "nothing"
    return between(before, key(w.config(*look(w, presets=other.replace("llava-1.5", "tiny-llava")))))


def rewritten(w, old: str, new: str) -> str:
    """What a change of the task's YAML asks of its stored runs."""
    words = hues(w)
    before = key(w.config(*words))
    w.plug("hues/task.yaml", YAML.replace(old, new))
    return between(before, key(w.config(*words)))


@line("a default in a task's YAML")
def _(w):
    return rewritten(w, "parser: plain", "parser: fancy")


@line("`version` in a task's YAML")
def _(w):
    return rewritten(w, "version: 1", "version: 2")


@line("the text of a card")
def _(w):
    assert rewritten(w, "title: Colours", "title: Shades") == "nothing"
    before = key(w.config(*look(w)))
    return between(before, key(w.config(*look(w, title="Look again"))))


def settings(w: World, *changes: dict[str, Any], words: tuple[str, ...] = VISTA, **base: Any) -> str:
    """What each of these settings does; all must do the same."""
    config = w.set(w.config(*words), **base)
    (said,) = {between(key(config), key(w.set(config, **change))) for change in changes}
    return said


@line("a setting of the method, the order of methods")
def _(w):
    config = w.config("task=pope", "method=[vista,vcd]", "limit=18")
    turned = {**config, "method": dict(reversed(config["method"].items()))}
    other = w.config("task=pope", "method=[vista,vcd]", "limit=18", "method.vista.lam=0.03")
    assert between(key(config), key(other)) == "new run"
    return between(key(config), key(turned))


@line("`decoding`")
def _(w):
    return between(key(w.config(*VISTA)), key(w.config(*VISTA, "decoding=nucleus")))


@line("`seed`")
def _(w):
    return settings(w, {"seed": 1})


@line("`limit`")
def _(w):
    return settings(w, {"limit": 36}, {"limit": None})


@line("`judge` and its settings")
def _(w):
    judge = {"judge": w.config("task=pope", "judge=tiny-llava")["judge"]}
    assert settings(w, {"judge": {}}) == "nothing"
    return settings(w, judge, {"judge": {**judge["judge"], "max_new_tokens": 9}})


@line("`ids`, `offset`")
def _(w):
    return settings(w, {"ids": "random:1,random:2"}, {"offset": 18})


@line("`system`, `fewshot`")
def _(w):
    return settings(w, {"system": "Be brief."}, {"fewshot": 2})


@line("`model.dtype`")
def _(w):
    return settings(w, {"model_dtype": "bfloat16"}, {"model_dtype": "float16"})


@line("the kind of device (cpu, cuda)")
def _(w):
    return settings(w, {"model_device": "cuda"}, {"model_device": "mps"}, model_device="cpu")


@line("the number of the device (`cuda:1`)")
def _(w):
    return settings(w, {"model_device": "cuda:1"}, model_device="cuda:0")


@line("`model.attention`")
def _(w):
    return settings(w, {"model_attention": "eager"}, words=("task=pope", "limit=18"))


@line("`model.chat`, `model.compile`, `model.gguf`, `model.partial`, `model.trust`")
def _(w):
    changes = ({"model_chat": "plain"}, {"model_compile": True}, {"model_gguf": "a.gguf"})
    changes += ({"model_partial": True}, {"model_trust": True})
    return settings(w, *changes, words=("task=pope", "limit=18"))


@line("`model.linear`")
def _(w):
    return settings(w, {"model_linear": "stock"}, {"model_linear": "packed"}, words=("task=pope", "limit=18"))


@line("`model.graphs`")
def _(w):
    return settings(w, {"model_graphs": False}, words=("task=pope", "limit=18"))


@line("what `model.linear=auto` finds faster on a machine")
def _(w):
    config = w.config("task=pope", "limit=18")
    before = key(config)
    w.patch.setattr("harness.models.hf.faster.fastest", lambda _: {"576 x 576 float32": 1})
    return between(before, key(config))


@line("`model.pad` in half precision")
def _(w):
    return settings(w, {"model_pad": True}, model_dtype="bfloat16")


@line("`model.pad` in float32")
def _(w):
    return settings(w, {"model_pad": False}, {"model_pad": True})


@line("`model.reasoning`")
def _(w):
    return settings(w, {"model_reasoning": "keep"}, words=("task=pope", "limit=18"))


@line("`probe.keep`")
def _(w):
    return settings(w, {"probe_keep": 3}, words=("task=pope", "limit=18"))


@line("`batch_size`, `model.lookup`, `executor`, `logger`, `results`, `retry`, `debug`, `max_equal_errors`")
def _(w):
    ray, wandb = {"executor": {"name": "ray", "workers": 2}}, {"logger": {"name": "wandb"}}
    errors = ({"retry": "errors"}, {"debug": True}, {"max_equal_errors": 3})
    return settings(w, {"batch_size": 3}, {"model_lookup": True}, ray, wandb, {"results": "r"}, *errors)


# Data


def records(w: World, old: str, new: str) -> str:
    config = w.config(*hues(w))
    before = key(config)
    path = w.place / "data" / "rows.json"
    path.write_text(path.read_text().replace(old, new))
    return between(before, key(config))


@line("a record's question")
def _(w):
    return asked(records(w, "Is it red?", "Is this red?"))


@line("a record's label")
def _(w):
    return records(w, '"label": "red"', '"label": "blue"')


@line("a picture, redrawn with equal size")
def _(w):
    config = w.config(*hues(w))
    before = key(config)
    path = w.place / "data" / "red.bmp"
    size, stat = path.stat().st_size, path.stat()
    Image.new("RGB", (32, 32), "green").save(path)
    assert path.stat().st_size == size
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return asked(between(before, key(config)))


@line("a picture or label that a method calibrates itself on")
def _(w):
    said = set()
    for method in ("iri", "tower"):  # one says itself whether it needs an artefact, one does not
        Image.new("RGB", (32, 32), "red").save("a.bmp")
        table = Path("pictures.jsonl")
        table.write_text(json.dumps({"image": "a.bmp", "objects": ["dog"]}) + "\n")
        config = w.config("task=pope", f"method={method}", "limit=18", "calibration=pictures.jsonl")
        before = key(config)
        table.write_text(table.read_text().replace("dog", "cat"))
        after = key(config)
        Image.new("RGB", (32, 32), "blue").save("a.bmp")
        said |= {between(before, after), between(after, key(config))}
    (what,) = said
    return what


def checkpoint(w: World, file: str, data: bytes | None = None) -> str:
    """What a change of a checkpoint's file does."""
    folder = w.place / "weights"
    shutil.copytree(WEIGHTS, folder)
    config = w.set(w.config("task=pope", "limit=18"), model_path=str(folder))
    before = key(config)
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    made = path.read_bytes() if path.exists() else b""
    path.write_bytes(made[:-1] + bytes([made[-1] ^ 1]) if data is None else data)
    return between(before, key(config))


@line("a checkpoint's weights")
def _(w):
    return checkpoint(w, "model.safetensors")


@line("a checkpoint's generation_config.json")
def _(w):
    return checkpoint(w, "generation_config.json", b'{"min_new_tokens": 3}')


@line("a checkpoint's chat template")
def _(w):
    shutil.rmtree(w.place / "weights", ignore_errors=True)
    assert checkpoint(w, "additional_chat_templates/rag.jinja", b"{{ m }}") == "new run"
    shutil.rmtree(w.place / "weights")
    return checkpoint(w, "chat_template.jinja", b"{{ messages }}")


@line("a checkpoint's tokenizer")
def _(w):
    assert checkpoint(w, "qformer_tokenizer/vocab.txt", b"a") == "new run"
    shutil.rmtree(w.place / "weights")
    return checkpoint(w, "tokenizer.json")


@line("a .py file in a checkpoint")
def _(w):
    return checkpoint(w, "modeling_tiny.py", b"x = 1\n")


@line("a checkpoint's README")
def _(w):
    return checkpoint(w, "README.md", b"# About\n")


@line("times of files")
def _(w):
    words = hues(w)
    w.project()
    config = w.config(*words)
    before = key(config)
    for path in w.place.rglob("*"):
        os.utime(path, (1, 1))
    return between(before, key(config))


@line("the place of a plug-in's folder, a checkpoint or pictures")
def _(w):
    config = w.config(*hues(w))
    shutil.copytree(WEIGHTS, w.place / "weights")
    config = w.set(config, model_path=str(w.place / "weights"), task_root="data")
    before = key(config)
    for name in ("plug", "weights", "data"):
        (w.place / name).rename(w.place / f"{name}-there")
    w.patch.syspath_prepend(str(w.place / "plug-there"))
    importlib.invalidate_caches()
    return between(before, key(w.set(config, model_path=str(w.place / "weights-there"), task_root="data-there")))


# Versions


def version(w: World, before: dict[str, str], after: dict[str, str]) -> str:
    """What a change of installed versions does."""
    real = metadata.version
    config, keys = w.config(*VISTA), []
    for known in (before, after):
        with w.patch.context() as patch:
            patch.setattr(metadata, "version", lambda name, known=known: known.get(name) or real(name))
            keys.append(key(config))
    return between(*keys)


@line("the minor version of transformers (5.23 to 5.24)")
def _(w):
    return version(w, {"transformers": "5.23.4"}, {"transformers": "5.24.0"})


@line("the minor version of torch (2.12 to 2.13)")
def _(w):
    return version(w, {"torch": "2.12.1+cpu"}, {"torch": "2.13.0+cpu"})


@line("a patch release of either (2.13.0 to 2.13.1)")
def _(w):
    for a, b in (("5.24.0.dev0", "5.24.0"), ("5.24.0rc1", "5.24.0")):
        assert version(w, {"transformers": a}, {"transformers": b}) == "new run", (
            "a version before a release is another"
        )
    return version(
        w, {"torch": "2.13.0+cpu", "transformers": "5.24.0"}, {"torch": "2.13.1+cu128", "transformers": "5.24.1.post1"}
    )


@line("Python and every other package")
def _(w):
    w.patch.setattr("platform.python_version", lambda: "3.99.0")
    others = ("numpy", "pillow", "tokenizers", "datasets", "harness")
    return version(w, {}, dict.fromkeys(others, "99.0"))


def test_a_run_with_a_server_knows_no_torch(world):
    words = (
        "task=pope",
        "limit=18",
        "task.data=embedded",
        "model=openai",
        "model.name=x",
        "model.base_url=http://localhost/v1",
    )
    assert compose(world.config(*words)).identity["packages"] == {}
    assert set(compose(world.config(*VISTA)).identity["packages"]) == {"torch", "transformers"}


def test_digests_of_pictures_are_kept(world, monkeypatch):
    """What compose has read is on the disk when it returns."""
    monkeypatch.setattr("harness.core.files.TICK", 0)
    compose(world.config(*hues(world)))
    assert not DIGESTS._fresh
