"""lm-eval's tasks here against lm-eval's own run of them, on the embedded model and local records."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("lm_eval")

from harness.cli import main
from harness.core import Call, Decoding, Request, Sample, user
from harness.plugins.registry import Registry
from harness.runs import readings
from tests.tasks.lm_eval import peers

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # lm-eval's, and those of what it imports


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return peers.write(tmp_path_factory.mktemp("peers"))


def run(name, folder, *words, code=0):
    words = ["eval", "task=lm_eval", f"task.name={name}", f"task.include={folder}", "task.data=local", *words]
    assert main(words if any(w.startswith("model=") for w in words) else [*words, "model=tiny-llava"]) == code


def last(workdir):
    """Metrics by name and group of the newest run."""
    newest = max((workdir / "results" / "runs").iterdir(), key=lambda p: p.stat().st_mtime)
    return {(m["name"], m["group"]): m for m in json.loads((newest / "metrics.json").read_text())}


SETTINGS = [{}, {"num_fewshot": 2}, {"apply_chat_template": True}, {"system_instruction": "Answer."}]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "two shots", "chat", "system"])
def test_scores_equal_its_own_run(workdir, folder, settings):
    """All kinds of request; every metric by its own aggregation, to the last digits that float32 leaves."""
    names = list(peers.TASKS) if not settings else ["local_choice"]
    theirs = peers.own_run(folder, names, **settings)
    for name in names:
        run(name, folder, *(f"task.{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items()))
        metrics = last(workdir)
        wanted = {k: v for k, v in theirs["results"][name].items() if "," in k and "stderr" not in k}
        assert wanted
        for key, value in wanted.items():
            ours = metrics[key.removesuffix(",none"), "all"]["value"]
            assert ours == pytest.approx(value, rel=1e-4, abs=1e-12), key


def test_every_document_equals_its_own(workdir, folder):
    run("local_choice", folder)
    run("local_words", folder)
    theirs = peers.own_run(folder, ["local_choice", "local_words"], log_samples=True)["samples"]
    found = {}
    for path in (workdir / "results" / "runs").glob("*/samples.jsonl"):
        found |= {r["id"]: r for r in map(json.loads, path.read_text().splitlines())}
    assert len(found) == 80
    for sample in theirs["local_choice"]:
        said = found[f"local_choice.{sample['doc_id']}"]["details"]["likelihoods"]
        for (value, greedy), ((wanted, best),) in zip(said, sample["resps"], strict=True):
            assert value == pytest.approx(float(wanted), abs=2e-3) and str(greedy) == str(best)
    for sample in theirs["local_words"]:
        assert found[f"local_words.{sample['doc_id']}"]["answer"] == sample["resps"][0][0]


def test_a_group_weighs_its_tasks_by_size(workdir, folder):
    run("local_group", folder)
    metrics = last(workdir)
    wanted = peers.own_run(folder, ["local_group"])["groups"]["local_group"]["acc,none"]
    assert metrics["acc", "all"]["value"] == pytest.approx(wanted)
    assert metrics["acc", "local_choice"]["n"] == metrics["acc", "local_last"]["n"] == 40
    assert metrics["acc", "all"]["low"] is not None


def test_reference_models(workdir, folder):
    run("local_choice", folder, "model=oracle")
    assert last(workdir)["acc", "all"]["value"] == 1
    run("local_choice", folder, "model=chance")
    assert last(workdir)["acc", "all"]["value"] < 0.6
    run("local_words", folder, "model=oracle")
    assert last(workdir)["exact_match,plain", "all"]["value"] == 1


def test_methods(workdir, folder, capsys):
    """A steering method acts on likelihoods; methods that write themselves, or ask on their own, are refused."""
    run("local_choice", folder)
    plain = last(workdir)
    run("local_choice", folder, "method=dola")
    assert last(workdir)["mcc", "all"]["value"] != plain["mcc", "all"]["value"]
    for method, said in (("opera", "decodes by itself"), ("carve", "asks questions of its own")):
        run("local_choice", folder, f"method={method}", code=2)
        assert said in capsys.readouterr().err


def test_probes_read_questions_for_likelihoods(workdir, folder):
    """Every sample has those of its likeliest text."""
    run("local_choice", folder, "method=lost")
    newest = max((workdir / "results" / "runs").iterdir(), key=lambda p: p.stat().st_mtime)
    found, lines = readings.read(newest), (newest / "samples.jsonl").read_text().splitlines()
    assert len(found) == len(lines) and all("lost.entropy" in one for one in found.values())


def test_errors_name_the_fix(workdir, folder, capsys):
    cases = [
        (["task.name=local_choise", f"task.include={folder}"], 2, "did you mean local_choice"),
        (["task.name=local_choice", "task.include=nowhere"], 3, "give the folder that holds your tasks' YAML"),
        (["task.name=local_group", f"task.include={folder}", "task.overrides={num_fewshot: 1}"], 2, "name one of them"),
        (["task.name=local_choice", f"task.include={folder}", "task.metric=f2"], 2, "choose acc, "),
        (
            ["task.name=local_choice", f"task.include={folder}", "task.fewshot_as_multiturn=true"],
            2,
            "apply_chat_template",
        ),
        (["task.name=local_choice", f"task.include={folder}", "task.overrides={dataset_path: no/such}"], 3, "HF_TOKEN"),
    ]
    for words, code, said in cases:
        assert main(["eval", "task=lm_eval", "model=chance", *words]) == code, words
        assert said in capsys.readouterr().err


def test_records_of_your_own_by_overrides(workdir, folder):
    files = {"dataset_kwargs": {"data_files": {"test": str(folder / "words.jsonl")}}}
    run("local_last", folder, "task.overrides=" + json.dumps(files).replace('"', "").replace(":", ": "), "limit=5")
    assert last(workdir)["acc", "all"]["n"] == 5


@pytest.fixture(scope="module")
def tiny():
    from harness.embedded.tiny_llava import WEIGHTS

    model = Registry().models["tiny-llava"].build(path=str(WEIGHTS))
    model.load([])
    return model


@pytest.mark.parametrize("context", ["", "a dog", "a dog ", "word " * 1500])
def test_likelihoods_equal_those_of_its_model(tiny, context):
    """Empty contexts, spaces at the end, contexts that are cut on the left, texts that are longer than the model."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    peer = HFLM(pretrained=tiny.model, tokenizer=tiny.prompts.tokenizer, backend="causal", batch_size=4)
    texts = (" is in the image", " cat", " the the the" * 20)
    asked = Request(user(context), 1, plain=True, continuations=texts)
    ours = tiny.answer([Call(asked, Sample("x", "x", "x", None), 0)], Decoding())[0].likelihoods
    theirs = peer.loglikelihood([Instance("loglikelihood", {}, (context, t), 0) for t in texts], disable_tqdm=True)
    for (value, greedy, _), (wanted, best) in zip(ours, theirs, strict=True):
        assert value == pytest.approx(wanted, rel=1e-4, abs=1e-3) and greedy == best


def test_a_long_text_is_read_in_windows(tiny):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    text = "the dog is in the red image near a cat " * 130
    peer = HFLM(pretrained=tiny.model, tokenizer=tiny.prompts.tokenizer, backend="causal", batch_size=1)
    asked = Request(user(""), 1, plain=True, continuations=(text,))
    ours = tiny.answer([Call(asked, Sample("x", "x", "x", None), 0)], Decoding())[0].likelihoods[0]
    theirs = peer.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (text,), 0)], disable_tqdm=True)
    assert ours.logprob == pytest.approx(theirs[0], rel=1e-5)
