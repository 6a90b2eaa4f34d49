"""Stored answers scored anew: by harness eval where only the task changed, and by hand."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from harness.cli import main
from harness.core import Decoding, Outcome, Reply
from harness.engine.rescoring import again
from harness.engine.schedule import Scheduler
from harness.models.hf.model import HFModel
from harness.runs import journal
from harness.runs.record import Counts, Status
from harness.runs.stored import stored
from tests.engine.toys import Adder, Ask2, Sums

TASK = """
import io
from PIL import Image
from harness.core import Metric, Outcome, Picture, Request, Sample, Task, Unusable, user
from words.scorer import score
class Words(Task):
    repeatable = REPEATABLE
    def __init__(self, turns, bad): self.turns, self.bad = turns, bad
    def fingerprint(self): return f"words-{self.turns}-{self.bad}"
    def samples(self):
        for i in range(12):
            yield Sample(f"{i}", f"c{i // 2}", "all", "yes" if i % 2 else "no", {"number": i})
    def episode(self, sample):
        if sample.data["number"] == self.bad: raise Unusable("this one has no question")
        reply, said = None, []
        for turn in range(self.turns):
            reply = yield Request(user(f"Is {sample.data['number']} odd? {''.join(said)}"), 3)
            said.append(reply.text)
        return Outcome(" ".join(said), {"correct": score(said, sample.target)}, details={"turns": self.turns})
    def aggregate(self, results):
        found = [r.outcome.scores["correct"] for r in results if r.outcome]
        return [Metric("accuracy", sum(found) / len(found), primary=True, n=len(found), score="correct")]
    def oracle(self, sample, request): return sample.target
"""
SCORER = "def score(said, target): return float(target in said[-1].lower())\n"
YAML = """
_target_: words.task.Words
version: 1
default_model: tiny-llava
official: embedded
variants: {embedded: x}
card: {title: Words}
defaults: {turns: 1, bad: -1}
"""
WORDS = ("eval", "task=words", "plugins=[plug]", "logger=quiet")


@pytest.fixture
def plug(workdir):
    """The task as a plug-in; `plug(name, old, new)` edits one of its files, which the next run then loads."""
    texts = {"task.py": TASK.replace("REPEATABLE", "True"), "scorer.py": SCORER, "task.yaml": YAML}
    Path("plug/words").mkdir(parents=True)

    def edit(name: str, old: str, new: str) -> None:
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new)
        write()

    def write() -> None:
        for name, text in texts.items():
            Path("plug/words", name).write_text(text)
        forget()

    def forget() -> None:
        for name in [m for m in sys.modules if m.split(".")[0] == "words"]:
            del sys.modules[name]
        importlib.invalidate_caches()

    write()
    path = list(sys.path)
    yield edit
    sys.path[:] = path
    forget()


def runs():
    """Newest first; those of one second in any order."""
    return stored(Path("results"))


def new(known):
    """The one run that is not among these."""
    (found,) = [r for r in runs() if r.name not in {k.name for k in known}]
    return found


@pytest.fixture
def no_model(monkeypatch):
    """From now on no model may be loaded."""

    def forbid():
        monkeypatch.setattr(HFModel, "load", lambda *a: pytest.fail("a model was loaded"))

    return forbid


@pytest.mark.parametrize("turns", [1, 3])
def test_a_fixed_scorer_asks_nothing(plug, no_model, capsys, turns):
    words = (*WORDS, f"task.turns={turns}", "task.bad=11")
    assert main([*words]) == 3  # one sample cannot be played
    (old,) = runs()
    assert old.record.counts.asked > 0
    no_model()
    plug("scorer.py", "float(target in", "float(target not in")
    assert main([*words]) == 3
    fresh = new([old])
    assert fresh.record.rescored_from == old.name and fresh.record.counts.asked == 0
    assert fresh.record.identity["answers"] == old.record.identity["answers"]
    assert fresh.metrics[0].value == pytest.approx(1 - old.metrics[0].value)
    kept = [replace(r, outcome=None, error=None) for r in old.results()]
    assert [replace(r, outcome=None, error=None) for r in fresh.results()] == kept
    for key in ("work", "model_facts", "calibrations", "peak_memory_bytes"):
        assert getattr(fresh.record, key) == getattr(old.record, key), "what the answers cost stays with them"
    said = capsys.readouterr()
    assert f"rescoring 12 answers of {old.name}" in said.err and f"rescored from {old.name}, no model asked" in said.out
    assert main([*words]) == 3 and len(runs()) == 2
    assert "from the store" in capsys.readouterr().out
    assert main(["show", fresh.name]) == 0 and f"answers of {old.name}" in capsys.readouterr().out


def test_another_prompt_is_asked_and_the_line_says_why(plug, capsys):
    assert main([*WORDS]) == 0
    (old,) = runs()
    plug("task.py", "odd?", "even?")
    assert main([*WORDS]) == 0
    fresh = new([old])
    assert fresh.record.rescored_from is None and fresh.record.counts.asked == 12
    assert f"asking again: words/task.py changed since {old.name}" in capsys.readouterr().err


def test_only_what_asks_something_else_is_asked(plug, capsys):
    assert main([*WORDS]) == 0
    (old,) = runs()
    plug("task.py", "f\"Is {sample.data['number']} odd?", "f\"Is {sample.data['number'] or 20} odd?")
    assert main([*WORDS]) == 0
    fresh = new([old])
    assert fresh.record.counts.asked == 1 and fresh.record.counts.done == 12
    before, after = ({r.id: r for r in run.results()} for run in (old, fresh))
    assert before.keys() == after.keys() and {i for i in after if after[i] != before[i]} == {"0"}
    assert "scoring 11 answers" in capsys.readouterr().err


def test_answers_of_a_run_that_was_killed_are_not_lost(plug):
    assert main([*WORDS]) == 0
    (old,) = runs()
    old.directory.write_record(replace(old.record, status=Status.RUNNING))
    lines = old.directory.journal.read_text().splitlines(keepends=True)
    old.directory.journal.write_text("".join(lines[:5]) + lines[5][:20])
    plug("scorer.py", "float(target in", "float(target not in")
    assert main([*WORDS]) == 0
    assert new([old]).record.counts == Counts(12, 12, 0, 7, 7)


def test_a_picture_redrawn_with_equal_size_is_asked(workdir):
    """And a question's other label is not."""
    Path("data/images").mkdir(parents=True)
    rows = [{"question_id": i, "image": f"{i % 3}.bmp", "text": f"Is there a {w}?", "label": "no"} for i, w in WHAT]
    table = Path("data/coco_pope_random.json")
    table.write_text("".join(json.dumps(r) + "\n" for r in rows))
    for i in range(3):
        Image.new("RGB", (64, 64), "white").save(f"data/images/{i}.bmp")
    words = ["eval", "task=pope", "task.data=local", "task.root=data", "task.splits=[random]", "logger=quiet"]
    assert main(words) == 0
    (old,) = runs()
    Image.new("RGB", (64, 64), "red").save("data/images/1.bmp")
    assert main(words) == 0
    fresh = new([old])
    assert fresh.record.rescored_from == old.name and fresh.record.counts.asked == 2
    prompts = [{r.id: r.prompt for r in run.results()} for run in (old, fresh)]
    assert {i for i in prompts[0] if prompts[0][i] != prompts[1][i]} == {"random:1", "random:4"}
    table.write_text(table.read_text().replace("no", "yes", 1))
    assert main(words) == 0
    label = new([old, fresh])
    assert label.record.rescored_from == fresh.name and label.record.counts.asked == 0


WHAT = list(enumerate(("dog", "cat", "cup", "bus", "bed", "cow")))


def test_another_number_or_seed_is_never_taken_over(plug):
    assert main([*WORDS, "decoding=nucleus"]) == 0
    for other in ("seed=1", "decoding.temperature=0.5", "model.chat=plain"):
        known = runs()
        assert main([*WORDS, "decoding=nucleus", other]) == 0
        assert new(known).record.rescored_from is None


def test_a_scorer_that_raised_is_mended(plug, no_model):
    plug("scorer.py", "return", "return {}[1] if target == 'yes' else")
    assert main([*WORDS]) == 3
    (old,) = runs()
    assert old.record.counts.errors == 6
    no_model()
    plug("scorer.py", "return {}[1] if target == 'yes' else", "return")
    assert main([*WORDS]) == 0
    assert new([old]).record.counts == replace(old.record.counts, errors=0, asked=0, requests=0)


def test_rescoring_an_unchanged_run_gives_equal_rows(plug, capsys):
    assert main([*WORDS, "task.turns=3"]) == 0
    (old,) = runs()
    assert main(["rescore", old.name]) == 0 and len(runs()) == 1
    assert "its scores are what its task gives now" in capsys.readouterr().out


def test_by_hand(plug, no_model, capsys):
    """The model may be gone, and the code that answered be another."""
    assert main([*WORDS]) == 0
    (old,) = runs()
    no_model()
    record = old.record
    record.config["model"]["path"] = "gone"
    old.directory.write_record(record)
    plug("scorer.py", "float(target in", "2 * float(target in")
    capsys.readouterr()
    assert main(["rescore", old.name]) == 0
    fresh = new([old])
    out = capsys.readouterr().out
    assert f"{old.name}: accuracy {old.metrics[0].value:.4f}, now accuracy {2 * old.metrics[0].value:.4f}" in out
    assert fresh.record.rescored_from == old.name and fresh.record.status == "done"
    assert main(["rescore", old.name]) == 0 and f"was rescored as {fresh.name}" in capsys.readouterr().out
    assert main(["rescore", "--all"]) == 0 and "0 runs rescored" in capsys.readouterr().out
    plug("scorer.py", "2 * float", "3 * float")
    assert main(["rescore", "--all"]) == 0
    assert "1 runs rescored" in capsys.readouterr().out, "both come to the same run"
    plug("task.py", "odd?", "even?")
    assert main(["rescore", old.name]) == 3
    assert "12 of its samples would be asked something else" in capsys.readouterr().err
    assert main(["rescore"]) == 2 and main(["rescore", "--all", old.name]) == 2


def test_a_run_by_hand_is_the_run_that_eval_finds(plug, capsys):
    assert main([*WORDS]) == 0
    plug("scorer.py", "float(target in", "float(target not in")
    assert main(["rescore", runs()[0].name]) == 0
    assert main([*WORDS]) == 0 and len(runs()) == 2 and "from the store" in capsys.readouterr().out


def test_what_cannot_be_rescored_says_so(plug, capsys):
    assert main([*WORDS, "model=oracle"]) == 0
    (oracle,) = runs()
    plug("task.py", "repeatable = True", "repeatable = False")
    assert main([*WORDS]) == 0
    browser = new([oracle])
    plug("scorer.py", "float(", "2 * float(")
    assert main([*WORDS]) == 0 and new([oracle, browser]).record.counts.asked > 0
    stopped = replace(browser.record, status=Status.INTERRUPTED)
    capsys.readouterr()
    for run, said in ((oracle, "answers from the task's own records"), (browser, "act on something outside")):
        assert main(["rescore", run.name]) == 3
        err = capsys.readouterr().err
        assert said in err and "play it again by harness eval" in err and err.count("\n") == 1
    browser.directory.write_record(stopped)
    assert main(["rescore", browser.name]) == 3 and "it is interrupted" in capsys.readouterr().err


def test_runs_of_older_versions_are_read(plug, capsys):
    """Their records know no code, their journals no replies."""
    assert main([*WORDS]) == 0
    (old,) = runs()
    record = old.record
    for name in ("answers", "code", "packages"):
        del record.identity[name]
    del record.identity["task"]["code"]
    old.directory.write_record(replace(record, code={}, absent=frozenset({"code"})))
    for command in (["ls"], ["show", old.name], ["history", "words"], ["ingest"], ["site", "build"]):
        assert main(command) == 0
    plug("scorer.py", "float(target in", "float(target not in")
    capsys.readouterr()
    assert main([*WORDS]) == 0
    asked = new([old])
    assert asked.record.counts.asked == 12
    assert f"{old.name} was played before runs knew the code" in capsys.readouterr().err
    assert main(["compare", old.name, asked.name]) == 0
    assert f"scored by different code of the task: harness rescore {old.name}" in capsys.readouterr().out
    assert main(["rescore", old.name]) == 0
    fresh = new([old, asked])
    assert fresh.metrics == asked.metrics and [r.outcome for r in fresh.results()] == [
        r.outcome for r in asked.results()
    ]
    assert main(["compare", fresh.name, asked.name]) == 0 and "different code" not in capsys.readouterr().out


def test_an_answer_that_is_not_the_reply_is_not_taken_for_it(plug, capsys):
    """An older run whose task kept something other than the model's text."""
    plug("task.py", 'Outcome(" ".join(said)', 'Outcome("said: " + " ".join(said)')
    assert main([*WORDS]) == 0
    (old,) = runs()
    assert old.results()[0].replies is not None
    record = old.record
    del record.identity["answers"]
    old.directory.write_record(record)
    lines = [json.loads(line) for line in old.directory.journal.read_text().splitlines()]
    old.directory.journal.write_text("".join(json.dumps({**r, "replies": None}) + "\n" for r in lines))
    plug("scorer.py", "float(", "2 * float(")
    capsys.readouterr()
    assert main(["rescore", old.name]) == 3 and "their replies were not kept" in capsys.readouterr().err


def test_stop_early_wants_scores_of_one_code(plug, capsys):
    assert main([*WORDS, "limit=10"]) == 0
    plug("scorer.py", "float(target in", "float(target not in")
    early = (*WORDS, "limit=10", "method=dola", "stop_early=true")
    assert main([*early]) == 2
    name = runs()[0].name
    assert f"the task's code scored {name} before it changed: harness rescore {name}" in capsys.readouterr().err
    assert main(["rescore", name]) == 0 and main([*early]) == 0


def test_stop_early_names_what_it_takes(plug, capsys):
    assert main([*WORDS, "limit=10"]) == 0
    assert main([*WORDS, "limit=10", "method=dola", "stop_early=maybe"]) == 2
    assert "stop_early=maybe is not true, false or the name of a run" in capsys.readouterr().err


def test_the_gate_judges_runs_of_todays_code(plug, capsys):
    assert main([*WORDS, "limit=10"]) == 0
    (first,) = runs()
    assert main(["baseline", "update", first.name, "--reason", "first"]) == 0
    capsys.readouterr()
    assert main(["gate"]) == 0 and "identical" in capsys.readouterr().out
    plug("scorer.py", "float(target in", "float(target not in")
    assert main(["gate"]) == 3
    assert f"words/scorer.py changed since {first.name}: harness eval" in capsys.readouterr().out
    assert main(["gate", "--run"]) != 0 and "identical" not in capsys.readouterr().out
    plug("scorer.py", "float(target not in", "float(target in")
    assert main(["gate", "--run"]) == 0 and "identical" in capsys.readouterr().out, "not the newest run: today's"


def played(task, model, pipelines=()):
    found = []
    Scheduler(task, model, pipelines, Decoding(), seed=0, rows=None, report=found.extend).run(list(task.samples()))
    return {r.id: r for r in found}


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("pipelines", [(), (Ask2(),)], ids=["", "ask2"])
@pytest.mark.parametrize("fail_on", ["", "4+1"])
def test_any_row_is_given_again_from_its_journal(turns, pipelines, fail_on):
    """Several turns, pipelines that ask more than the task does, failed calls, faulty records."""
    task = Sums(12, turns, bad=(4,))
    rows = played(task, Adder(fail_on), pipelines)
    for sample in task.samples():
        row = journal.decode(json.loads(journal.encode(rows[sample.id])))
        assert again(task, sample, row) == row == rows[sample.id]
    errors = [r for r in rows.values() if r.error]
    assert len(errors) == 1 + bool(fail_on)
    plain = rows["s0"]
    assert (plain.replies is None) == (turns == 1 and not pipelines) and bool(plain.asked) == bool(pipelines)


def test_a_row_that_asks_more_less_or_else_is_not(monkeypatch):
    two = played(Sums(4, 2), Adder())
    for other in (Sums(4, 1), Sums(4, 3)):
        assert [again(other, s, two[s.id]) for s in other.samples()] == [None] * 4
    rows = played(Sums(4), Adder())
    moved = [replace(s, data={"text": "9+9"}, group="prime", cluster="c9", target="18") for s in Sums(4).samples()]
    assert [again(Sums(4), s, rows[s.id]) for s in moved] == [None] * 4
    (s, *_) = Sums(4).samples()
    new = again(Sums(4), replace(s, group="prime", cluster="c9", target="18"), rows[s.id])
    assert new is not None and (new.group, new.cluster, new.target) == ("prime", "c9", "18")
    assert new.outcome is not None and new.outcome.scores == {"correct": 0.0}


def test_an_answer_that_is_kept_in_another_form_keeps_its_reply():
    """The next rescoring starts from what the model said, not from what the last task made of it."""

    class Shouted(Sums):
        def episode(self, sample):
            outcome = yield from super().episode(sample)
            return Outcome(f"{outcome.answer}!", outcome.scores)

    (row, *_) = played(Sums(1), Adder()).values()
    (sample,) = Sums(1).samples()
    shouted = again(Shouted(1), sample, row)
    assert row.replies is None and shouted is not None
    assert shouted.replies == (Reply(row.outcome.answer, 3, 1, 0.0, "stop"),)
    back = again(Sums(1), sample, shouted)
    assert back is not None and back.outcome == row.outcome
