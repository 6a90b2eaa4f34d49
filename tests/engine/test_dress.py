"""`system=` and `fewshot=`: what stands in front of every question, and who refuses it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoProcessor, LlavaProcessor

from harness.cli import main
from harness.config.compose import Asked, run
from harness.core import Decoding, Reply, UsageError
from harness.core.dress import Dress, Example
from harness.core.picture import Picture
from harness.core.types import Message, Request, user
from harness.embedded.tiny_llava import WEIGHTS
from harness.engine.examples import examples
from harness.engine.schedule import Scheduler
from harness.gate.history import history
from harness.leaderboard.board import boards, entries
from harness.models.hf.admission import admit
from harness.models.hf.prompts import Prompts
from harness.plugins.build import build_task
from harness.plugins.registry import Registry
from harness.runs.stored import stored
from harness.store.queries import Store
from tests.engine.toys import Adder, Ask2, Sums
from tests.models.openai.local import play, said, serving
from tests.tasks.vqa.made import picture, row, written

TINY = ("eval", "task=pope", "limit=18", "task.splits=[random]", "logger=quiet")
EXAMPLE = Example("x", Message("user", ("9+9 (0)",)), "18")


class Listening(Adder):
    """An Adder that reads the last message, and remembers all of them."""

    def answer(self, calls, decoding):
        self.batches += [[[(m.role, m.content[0]) for m in c.request.messages] for c in calls]]
        texts = [c.request.messages[-1].content[0] for c in calls]
        return [Reply(str(sum(map(int, t.split(" ")[0].split("+"))))) for t in texts]


def asked(dress, pipelines=(), n=3):
    model, results = Listening(), []
    Scheduler(Sums(n), model, pipelines, Decoding(), seed=0, rows=None, report=results.extend, dress=dress).run(
        list(Sums(n).samples())
    )
    assert all(r.outcome and r.outcome.scores["correct"] for r in results)
    return [messages for batch in model.batches for messages in batch], results


@pytest.mark.parametrize("pipelines", [(), (Ask2(),)])
def test_every_request_is_dressed(pipelines):
    messages, results = asked(Dress("Be brief.", [EXAMPLE]), pipelines)
    front = [("system", "Be brief."), ("user", "9+9 (0)"), ("assistant", "18")]
    assert messages and all(m[:3] == front and len(m) == 4 for m in messages)
    plain, _ = asked(Dress(), pipelines)
    assert [m[3:] for m in messages] == plain
    assert all(r.asked and r.asked != r.prompt for r in results)  # so that stored answers can be scored anew


@pytest.mark.parametrize(
    ("dress", "request_", "says"),
    [
        (Dress("x"), Request((Message("system", ("y",)), *user("q")), 1), "a system message of its own"),
        (Dress("x"), Request(user("q"), 1, plain=True), "without a chat template"),
        (Dress("", [EXAMPLE]), Request(user("9+9 (0)"), 1), "the example x is evaluated itself"),
        (
            Dress("", [Example("p", Message("user", (Picture(b"1"), "a")), "b")]),
            Request(user(Picture(b"1"), "c"), 1),
            "the example p is evaluated itself",
        ),
    ],
)
def test_requests_that_cannot_be_dressed(dress, request_, says):
    with pytest.raises(UsageError, match=says):
        dress(request_)


def test_what_a_server_gets(workdir):
    pytest.importorskip("httpx")
    pytest.importorskip("tenacity")
    (workdir / "system.txt").write_text("Answer with yes or no.\n")
    with serving(lambda body, n: said("Yes")) as served:
        assert play(served, "system=@system.txt", "fewshot=3") == 0
        record = stored(Path("results"))[0].record
        assert play(served, "system=@system.txt", "fewshot=3", "seed=1") == 0
    bodies = [b["messages"] for b in served.bodies]
    assert bodies[0][0] == {"role": "system", "content": "Answer with yes or no."}
    roles = ["system", *["user", "assistant"] * 3, "user"]
    assert all([m["role"] for m in messages] == roles for messages in bodies)
    answers = [m["content"] for m in bodies[0] if m["role"] == "assistant"]
    assert {a.lower() for a in answers} == {"yes", "no"}  # both occur
    shown = {_digest(m) for messages in bodies for m in messages[1:-1:2]}
    assert 3 < len(shown) <= 6  # three for each seed
    evaluated = Registry().tasks["pope"].build(data="embedded")
    assert not shown & {next(evaluated.episode(s)).pictures[0].digest for s in list(evaluated.samples())[::6]}
    assert record.system == "Answer with yes or no." and record.identity["fewshot"]["count"] == 3
    assert record.config["system"] == record.system


def _digest(message):
    (url,) = [p["image_url"]["url"] for p in message["content"] if p["type"] == "image_url"]
    return hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest()


def test_runs_with_something_in_front_are_runs_of_their_own(workdir, capsys):
    for words in ([], ["system=Be brief."], ["fewshot=2"], ["fewshot=2", "task.parser=vcd"]):
        assert main([*TINY, *words]) == 0
    parsed, shot, brief, plain = stored(Path("results"))
    assert parsed.record.rescored_from == shot.name
    tokens = [sum(r.prompt_tokens for r in run.results()) for run in (plain, brief, shot)]
    assert tokens[0] < tokens[1] < tokens[2] / 2
    assert len(boards(entries(Store(Path("results"))))) == 4
    series = [s for s in history(Path("results"), "pope") if s.kind != "seconds"]
    apart = sorted(s.settings["apart"][:6] for s in series)
    assert apart == ["2 exam", "2 exam", "system", "task.s"], "another parser is another series, and so are the splits"
    capsys.readouterr()
    assert main(["show", brief.name]) == 0 and main(["show", shot.name]) == 0
    out = capsys.readouterr().out
    assert '"Be brief."' in out and "2 examples" in out
    assert main(["compare", plain.name, brief.name]) == 0
    assert "system none and Be brief." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["task=screenspot", "fewshot=2"], 2, "task=screenspot has no calibration split to take examples from (tasks"),
        (["fewshot=2", "task.data=calibration"], 2, "takes its examples from task.data=calibration"),
        (["fewshot=1000"], 2, "gives 150 examples at most"),
        (["fewshot=-1"], 2, "fewshot=-1 is negative"),
        (["fewshot=2", "method=carve"], 2, "method=carve asks questions of its own"),
        (["system=@nowhere.txt"], 3, "system=@nowhere.txt cannot be read"),
        (["system="], 2, "is a shell variable unset?"),
        (["system=x", "model.chat=plain"], 2, "which model.chat=plain leaves out"),
    ],
)
def test_what_is_refused_is_one_line(workdir, capsys, words, code, says):
    given = [w for w in TINY if not any(x.startswith("task=") for x in words) or not w.startswith("task")]
    assert main([*given, *words]) == code
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) == 1


def composed(*words):
    found = []
    assert run(Asked(["model=oracle", *words]), lambda config: found.append(config) or 0) == 0
    return found[0]


def test_examples_come_from_no_evaluated_record(tmp_path):
    """POPE's split comes with it, whatever the root of the evaluated records; vqa sets records of that root aside."""
    config = composed("task=pope", "task.data=local", f"task.root={tmp_path / 'nowhere'}", "fewshot=4")
    packaged = {s.id for s in Registry().tasks["pope"].build(data="calibration").samples()}
    assert {e.id for e in examples(config)} <= packaged
    written(tmp_path / "rows.jsonl", [row("no", id=f"q{i}", image=f"{i}.png") for i in range(20)])
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(picture((i, 0, 0)))
    config = composed("task=vqa", f"task.root={tmp_path}", "task.calibration=0.5", "fewshot=3")
    evaluated = {s.id for s in build_task(config["task"]).samples()}
    shown = {e.id for e in examples(config)}
    assert len(shown) == 3 and evaluated and not shown & evaluated
    with pytest.raises(UsageError, match=r"task\.calibration=0\.2"):
        examples(composed("task=vqa", f"task.root={tmp_path}", "fewshot=3"))


class OnePicture(LlavaProcessor):
    def __call__(self, *args, **more):
        if len(more.get("images") or ()) > 1:
            raise ValueError("one image, please")
        return super().__call__(*args, **more)


def prompts(template=None, cls=None):
    processor = AutoProcessor.from_pretrained(WEIGHTS)
    if template:
        processor.chat_template = template(processor.chat_template)
    if cls:
        processor.__class__ = cls
    return Prompts(processor, AutoConfig.from_pretrained(WEIGHTS), chat="auto")


SHOWN = Dress("", [Example("p", Message("user", (Picture(b"1"), "a")), "b")])
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
DROPS = "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}"
LAST = "{% set messages = messages[-1:] %}"


@pytest.mark.parametrize(
    ("dress", "template", "cls", "says"),
    [
        (Dress("Be brief."), lambda t: REFUSES + t, None, "no place for a system message .*System role not supported"),
        (Dress("Be brief."), lambda t: DROPS + t, None, "model=m has no place for a system message .it drops it"),
        (SHOWN, lambda t: LAST + t, None, "takes no earlier questions and answers"),
        (SHOWN, None, OnePicture, "shows 2 pictures, and model=m takes only one .*one image, please"),
    ],
)
def test_a_checkpoint_that_cannot_take_it_is_refused_by_name(dress, template, cls, says):
    admit(prompts(), dress, "m")
    with pytest.raises(UsageError, match=says):
        admit(prompts(template, cls), dress, "m")
