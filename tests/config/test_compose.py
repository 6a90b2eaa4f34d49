from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.compose import check_names, plugin_folders, run
from harness.core import UsageError
from harness.plugins.registry import Registry

PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"


def compose(*words):
    configs = []
    code = run([PLUGINS, *words], lambda config: configs.append(config) or 0)
    assert code == 0
    return configs


def test_the_model_defaults_to_the_tasks_and_the_data_to_the_models(workdir):
    (config,) = compose("task=sums")
    assert config["model"]["name"] == "oracle" and list(config["method"]) == ["vanilla"]
    (config,) = compose("task=pope")
    assert config["model"]["name"] == "tiny-llava" and config["task"]["data"] == "embedded"
    assert Path(config["model"]["path"]).is_dir()
    (config,) = compose("task=pope", "model=llava-1.5-7b")
    assert config["task"]["data"] == "coco"
    (config,) = compose("task=pope", "model=llava-1.5-7b", "task.data=gqa", "seed=3")
    assert config["task"]["data"] == "gqa" and config["seed"] == 3


def test_any_checkpoint_is_named_by_its_folder(workdir):
    (config,) = compose("task=pope", "model=hf", "model.path=org/some-model")
    assert config["model"]["name"] == "some-model"


def test_methods_compose_in_order_and_presets_follow_model_and_task(workdir):
    (config,) = compose("task=pope", "method=[vista,vcd]", "model=llava-1.5-7b")
    assert list(config["method"]) == ["vista", "vcd"]
    assert config["method"]["vista"]["lam"] == 0.01
    (config,) = compose("task=pope", "method=vista", "model=llava-1.5-7b", "method.vista.lam=0.5")
    assert config["method"]["vista"]["lam"] == 0.5


def test_a_sweep_is_one_run_each(workdir):
    configs = compose("-m", "task=sums,pope", "seed=0,1")
    assert [(c["task"]["name"], c["seed"], c["model"]["name"]) for c in configs] == [
        ("sums", 0, "oracle"),
        ("sums", 1, "oracle"),
        ("pope", 0, "tiny-llava"),
        ("pope", 1, "tiny-llava"),
    ]


def test_hydras_store_is_the_callers_again(workdir):
    """It copies all that it holds for each configuration: while one is made it holds what was chosen alone."""
    from hydra.core.config_store import ConfigStore

    held, store = [], ConfigStore.instance()
    store.store(group="method", name="vcd", node={"own": 1})
    try:
        run(["task=pope", "method=vcd", "judge=tiny-llava"], lambda _: held.append(set(store.repo["method"])) or 0)
        left = {name for group in ("task", "method", "model", "judge") for name in store.repo.get(group, ())}
        assert held == [{"vanilla.yaml", "vcd.yaml"}] and left == {"vcd.yaml"}
        assert store.repo["method"]["vcd.yaml"].node == {"own": 1}
    finally:
        store.repo["method"].clear()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task=pop"], "task=pop is unknown: did you mean pope"),
        (["task=pope", "method=[vista,vdc]"], "method=vdc is unknown: did you mean vhd or vcd"),
        (["task=pope", "model=tiny-lava"], "did you mean tiny-llava"),
        (["method=vista"], "name a task"),
        (["task=pope", "limt=3"], "unknown setting limt: did you mean limit"),
        (["task=pope", "vista"], "invalid setting 'vista': write key=value"),
    ],
)
def test_misspelt_words_are_named_before_hydra_runs(words, says):
    with pytest.raises(UsageError, match=says.replace("[", r"\[")):
        check_names(words, Registry())


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("task.dta=coco", "unknown setting task.dta: did you mean task.data"),
        ("method.vista.lamb=1", "unknown setting method.vista.lamb: did you mean method.vista.lam"),
    ],
)
def test_misspelt_keys_get_the_nearest_in_one_line(workdir, word, says):
    with pytest.raises(UsageError) as error:
        run(["task=pope", "method=vista", word], lambda config: 0)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_missing_value_is_named(workdir, capsys):
    assert run(["task=pope", "model=hf"], lambda config: 0) == 2
    assert "model.path needs a value: add model.path=..." in capsys.readouterr().err


def test_a_task_without_official_records_names_those_that_there_are(workdir, capsys):
    assert run(["task=graph", "model=hf", "model.path=a/b"], lambda _: 0) == 2
    said = capsys.readouterr().err
    assert said == "harness: task=graph has no official records: add task.data=embedded or task.data=local\n"


def test_cfg_job_prints_everything_resolved(workdir, capsys):
    run(["task=pope", "method=vista", "model=llava-1.5-7b", "--cfg", "job"], lambda config: 1)
    out = capsys.readouterr().out
    assert "data: coco" in out and "lam: 0.01" in out and "${" not in out


def test_plugin_folders():
    assert plugin_folders(["a=b", "plugins=[x, y]"]) == ["x", "y"]
    assert plugin_folders(["plugins=x"]) == ["x"]
