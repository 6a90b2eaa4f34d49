"""Every setting has a kind, and its default is of it; hints come from the keys that there are."""

from __future__ import annotations

import pytest

from harness.config.compose import run
from harness.config.kinds import ANY, forget
from harness.config.settings import FOLDER, GROUPS, PLUGINS, STATED, check_presets, option, run_settings, settings
from harness.core import HarnessError, UsageError
from harness.plugins.registry import Registry

REGISTRY = Registry()
CHOICES = [f"{group}={name}" for group in PLUGINS for name in sorted(REGISTRY.group(group))]
CHOICES += [f"{group}={path.stem}" for group in GROUPS[3:] for path in sorted((FOLDER / group).glob("*.yaml"))]


@pytest.mark.parametrize("word", CHOICES)
def test_every_default_is_of_its_settings_kind(word):
    group = word.partition("=")[0]
    words = ["task=pope", "model=oracle", word] if group not in ("task", "model") else [word]
    found = settings(words, REGISTRY)
    for key, given in found.items():
        for setting in given:
            assert ANY not in setting.kinds, f"{key}: neither its default nor an annotation says what it may be"
            value = setting.default
            if not (isinstance(value, str) and ("${" in value or value == "???")):
                assert setting.kinds.fits(value), key


def test_what_is_stated_exists():
    known = {*run_settings()}
    for group in GROUPS[3:]:
        for path in (FOLDER / group).glob("*.yaml"):
            known |= {f"{group}.{k}" for k in option(group, path.stem)}
    assert STATED.keys() <= known


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["executor.worker=3"], "unknown setting executor.worker: did you mean executor.workers (of executor=ray)?"),
        (["executor=ray", "executor.worker=3"], "did you mean executor.workers"),
        (["logger=wandb", "logger.projet=x"], "did you mean logger.project"),
        (["decoding=nucleus", "decoding.top_pp=1"], "did you mean decoding.top_p"),
        (["decoding.temperature=1"], "it is one of decoding=nucleus"),
        (["logger.tags=[a]"], "it is one of logger=wandb"),
        (["model.base_url=x"], "it is one of model=openai"),
        (["method.pai.alpha=1"], "it is one of method=pai"),
        (["method=vista", "method.vista.lamb=1"], "did you mean method.vista.lam"),
        (["task.data_=x"], "did you mean task.data"),
        (["executor.zzzzzz=1"], "nothing chosen has settings below executor"),
        (["task.name=chair"], "it is one of task=lm_eval or task=lmms_eval"),
        (["++task.name=chair"], "it is one of task=lm_eval or task=lmms_eval"),
        (["model.name=gpt-4o"], "it is one of model=hf or model=openai or model=replay"),
        (["model=tiny-llava", "model.name=llava-1.5-7b"], "it is one of model=hf"),
        (["model=zoo", "model.name=x"], "it is one of model=hf"),
        (["judge=tiny-llava", "judge.name=gpt-4o"], "it is one of judge=hf or judge=openai"),
        (["hydra.sweep.dirs=x"], "did you mean hydra.sweep.dir"),
        (["hydra.launcher.n_job=2"], "unknown setting hydra.launcher.n_job"),
    ],
)
def test_hints_name_keys_that_exist(workdir, words, says):
    with pytest.raises(UsageError) as error:
        run(["task=pope", "model=oracle", *words], lambda config: 0)
    text = str(error.value)
    assert "\n" not in text
    assert says in text


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("seed=abc", "seed=abc must be a whole number"),
        ("seed=1.5", "seed=1.5 must be a whole number"),
        ("seed=null", "seed=null must be a whole number"),
        ("limit=x", "limit=x must be a whole number or null"),
        ("method.vista.lam=strong", "method.vista.lam=strong must be a number"),
        ("method.vista.norm=1", "method.vista.norm=1 must be true or false"),
        ("task.max_new_tokens=[1]", "task.max_new_tokens=[1] must be a whole number"),
        ("task.splits=[1,2]", "task.splits=[1, 2] must be a text or null or a list of texts"),
        ("decoding.max_new_tokens=x", "decoding.max_new_tokens=x must be a whole number or null"),
        ("-m seed=0,x", "seed=x must be a whole number"),
    ],
)
def test_a_value_of_another_kind_is_one_line(workdir, capsys, word, says):
    played: list[dict] = []
    words = ["task=pope", "model=oracle", "method=vista", *word.split()]
    try:
        code = run(words, lambda config: played.append(config) or 0)
        said = capsys.readouterr().err
    except HarnessError as e:
        code, said = e.exit_code, str(e)
    assert code == 2 and says in said and len(said.strip().splitlines()) == 1
    assert len(played) == ("-m" in word)


def test_a_group_that_is_named_without_a_choice():
    for word in ("method=[]", "method=", "logger="):
        with pytest.raises(UsageError, match="names nothing: choose one of"):
            run(["task=pope", word], lambda config: 0)


def test_keys_below_a_mapping_are_free():
    found: list[dict] = []
    words = ["task=lm_eval", "task.name=x", "model=oracle", "task.metadata.max_seq_lengths=[128]"]
    assert run(words, lambda c: found.append(c) or 0) == 0
    assert found[0]["task"]["metadata"] == {"max_seq_lengths": [128]}


def test_names_that_are_the_users_to_give():
    named = {plugin.name for plugin in REGISTRY.models.values() if "name" in plugin.settings}
    assert named == {"hf", "openai", "replay"}
    named = {plugin.name for plugin in REGISTRY.tasks.values() if "name" in plugin.settings}
    assert named == {"lm_eval", "lmms_eval"}
    found: list[dict] = []
    assert run(["task=pope", "model=hf", "model.path=x", "model.name=seven-b"], lambda c: found.append(c) or 0) == 0
    assert found[0]["model"]["name"] == "seven-b"


def test_a_name_in_a_sweep_is_that_of_its_own_run_alone(workdir, capsys):
    played: list[dict] = []
    words = ["-m", "task=pope,lm_eval", "task.name=hellaswag", "model=oracle"]
    assert run(words, lambda c: played.append(c) or 0) == 2
    assert [c["task"]["_target_"].rpartition(".")[2] for c in played] == ["LmEval"]
    assert "unknown setting task.name here" in capsys.readouterr().err


def test_a_launcher_that_is_not_installed_names_the_extra(workdir):
    with pytest.raises(HarnessError, match=r"launcher=slurm is not installed: pip install 'harness\[sweep\]'") as e:
        run(["task=pope", "-m", "seed=0,1", "hydra/launcher=slurm"], lambda config: 0)
    assert e.value.exit_code == 3


MINE = """from harness.core import Pipeline

class Mine(Pipeline):
    def __init__(self, alpha: float, start: int | str):
        self.alpha, self.start = alpha, start
"""


def test_presets_of_all_methods_fit_their_settings():
    for name in REGISTRY.methods:
        words = ["task=pope", f"method={name}"]
        check_presets(words, settings(words, REGISTRY), REGISTRY)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("{alpha: 3, start: all}", ""),
        ("{alpha: much}", "presets: alpha=much must be a number"),
        ("{alpha: 1e-5}", "alpha=1e-5 must be a number (write it without quotes, and with a point, as 1.0e-5"),
        ("{start: 0.5}", "start=0.5 must be a text or a whole number"),
        ("{start: null}", "start=null must be a text or a whole number"),
    ],
)
def test_a_value_in_a_preset_is_of_its_settings_kind(workdir, values, says):
    (workdir / "mine.py").write_text(MINE)
    (workdir / "mine.yaml").write_text(
        "_target_: mine.Mine\nkind: pipeline\ndefaults: {alpha: 0.5, start: 2}\n"
        f"presets: [{{model: another, values: {values}}}]\n"
    )
    words = ["task=pope", "model=oracle", "method=mine", "plugins=[.]"]
    try:
        if not says:
            assert run(words, lambda config: 0) == 0
            return
        with pytest.raises(UsageError) as error:
            run(words, lambda config: 0)
        assert says in str(error.value) and str(error.value).startswith("mine.yaml: ")
    finally:
        forget()
