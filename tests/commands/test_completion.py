"""Words that may stand at the end of a line, and the scripts that ask for them."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.commands.complete import candidates
from harness.commands.completion import SCRIPTS
from harness.config.signatures import refused


def complete(text: str) -> list[str]:
    *before, word = text.split(" ")
    return candidates(before, word)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ev", ["eval"]),
        ("eval --cfg ", ["job", "hydra", "all"]),
        ("eval --cfg=h", ["--cfg=hydra"]),
        ("eval task=po", ["task=pope"]),
        ("eval -m task=pope,cha", ["task=pope,chair"]),
        ("eval decoding=b", ["decoding=beam"]),
        ("eval executor=", ["executor=local", "executor=ray"]),
        ("eval decoding.strategy=b", ["decoding.strategy=beam"]),
        ("eval task=pope task.parser=o", ["task.parser=official", "task.parser=opera"]),
        ("eval task=pope parser=ex", ["parser=exact"]),
        ("eval task=pope task.data=co", ["task.data=coco"]),
        ("eval task=pope splits=random,", ["splits=random,popular", "splits=random,adversarial"]),
        ("eval task=pope splits=[random,po", ["splits=[random,popular"]),
        ("eval task=pope method=vista form=", ["form=code", "form=paper"]),
        ("eval task=pope method=vista method.vista.no", ["method.vista.norm="]),
        ("eval task=pope method=vista norm=", ["norm=true", "norm=false"]),
        ("eval task=pope method=vista win", ["window="]),
        ("eval task=pope model=hf model.attention=e", ["model.attention=eager"]),
        ("eval task=pope model=hf model.dtype=b", ["model.dtype=bfloat16"]),
        ("eval retry=", ["retry=errors"]),
        ("eval hydra/launcher=j", ["hydra/launcher=joblib"]),
        ("tune method=vist", ["method=vista"]),
        ("calibrate method=ir", ["method=iri"]),
        ("show method=vist", ["method=vista"]),
        ("show task=po", ["task=pope"]),
        ("show mo", ["model="]),
        ("show prompts task=pope task.parser=ex", ["task.parser=exact"]),
        ("fetch sm", ["smollm2"]),
        ("export-model tiny", ["tiny-llava"]),
        ("compare method=vist", ["method=vista"]),
        ("ls status=pa", ["status=partial"]),
        ("site b", ["build"]),
        ("baseline v", ["verify"]),
        ("history ch", ["chair"]),
        ("export --format=p", ["--format=parquet"]),
        ("list me", ["methods"]),
        ("completion z", ["zsh"]),
        ("eval task=nobody task.parser=", []),
        ("nothing ", []),
    ],
)
def test_words(workdir, text, found):
    assert complete(text) == found


def test_numbers_are_those_of_presets_and_the_grid(workdir):
    found = complete("eval task=pope method=vista lam=")
    assert {"lam=0.02", "lam=0.05"} <= set(found) and len(found) == len(set(found))


def test_files_where_a_setting_names_one(workdir):
    Path("data").mkdir()
    for name in ("data/rows.jsonl", "da.txt", ".hidden", "a name.json"):
        Path(name).touch()
    for start in ("eval task=pope task.root=", "eval task=pope root=", "eval model.path=", "eval calibration="):
        key = start.rpartition(" ")[2]
        assert {f"{key}data/", f"{key}da.txt"} <= set(complete(f"{start}d")), start
    assert complete("eval task=pope task.root=data/") == ["task.root=data/rows.jsonl"]
    assert complete("eval ids=@da") == ["ids=@da.txt", "ids=@data/"] and complete("eval ids=da") == []
    assert complete("import da") == ["da.txt", "data/"] == complete("gate --policy da")
    assert complete("ls --results=dat") == ["--results=data/"]
    assert not any(".hidden" in f for f in complete("import "))


def test_runs_in_the_folder_that_is_named(workdir):
    from harness.cli import main

    plugins = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"
    assert main(["eval", "task=sums", plugins, "results=there", "logger=quiet", "limit=4"]) == 0
    (name,) = [p.name for p in Path("there/runs").iterdir()]
    for text in ("show results=there sums", "compare --results there sums", "baseline --results=there update sums"):
        assert complete(text) == [name]
    assert complete("show sums") == []
    assert complete("ls results=there limit=") == ["limit=4"]
    assert complete("ls results=there data=d") == ["data=default"]
    assert complete("ls results=there task=su") == ["task=sums"]


def test_nothing_heavy_is_imported(workdir):
    code = (
        "import sys; from harness.cli import main\n"
        "main(['complete', 'eval task=pope method=vista method.vista.form='])\n"
        "main(['complete', 'eval task=pope model=hf model.dtype='])\n"
        "print([m for m in ('torch', 'hydra', 'rich', 'pyarrow', 'duckdb', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:2] == ["method.vista.form=code", "method.vista.form=paper"]
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_a_class_refuses_is_read_from_its_source():
    assert refused("harness.models.hf.model.HFModel")["chat"] == ["auto", "plain"]
    assert refused("harness.methods.activations.vista.Vista")["form"] == ["code", "paper"]
    assert refused("nowhere.Nothing") == {}


def typed(line: str, folder: Path) -> str:
    """What bash makes of a line and a tab."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="$ ", PATH=f"{folder}:{os.environ['PATH']}")
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    seen = ""

    def until(text: str, seconds: float = 60.0) -> None:
        nonlocal seen
        end = time.monotonic() + seconds
        while text not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536).decode(errors="replace")
        assert text in seen, seen

    try:
        os.write(terminal, b'eval "$(harness completion bash)"; echo re""ady\n')
        until("ready\r\n")
        os.write(terminal, f"{line}\t\x01printf '<%s>' \x05\n".encode())
        until(">$ ")
        os.write(terminal, b"exit\n")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return seen[seen.rindex("\n") :].partition("$ ")[0].strip()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes(workdir, monkeypatch):
    """For real, in a terminal: a value behind =, whose word bash splits, is completed and followed by a space."""
    bin_ = Path("bin")
    bin_.mkdir()
    (bin_ / "harness").write_text(f'#!/bin/sh\nexec {sys.executable} -m harness "$@"\n')
    (bin_ / "harness").chmod(0o755)
    line = "harness eval task=pope method=vist\tmodel=tin\ttask.par\tof"
    assert (
        typed(line, bin_.resolve())
        == "<harness><eval><task=pope><method=vista><model=tiny-llava><task.parser=official>"
    )


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_scripts_are_valid(shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=SCRIPTS[shell], text=True, check=True)
