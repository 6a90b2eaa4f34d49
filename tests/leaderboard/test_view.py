"""harness view: what it answers while runs are going, and that it writes nothing."""

from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.leaderboard import serve
from harness.leaderboard import view as live_view
from harness.leaderboard.seen import Seen
from harness.leaderboard.view import View, write
from harness.runs import journal
from harness.runs.directory import RunDir
from tests.leaderboard.made import run


def ask(view: View, path: str) -> Any:
    view._looked = -1e9  # the second for which a look holds is not waited for
    found = view.answer(path)
    return json.loads(found[1]) if found else None


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob("*"))}


def lines(results: Path, name: str) -> list[str]:
    return (results / "runs" / name / journal.FILE).read_text().splitlines(keepends=True)


def going(results: Path, done: int, torn: str = "", **more: Any) -> str:
    """A run that has got this far."""
    name = run(results, "vista", 0.6, n=60, status="running", finished=None, **more)
    folder = results / "runs" / name
    (folder / "metrics.json").unlink()
    (folder / journal.FILE).write_text("".join(lines(results, name)[:done]) + torn)
    return name


def test_a_run_that_is_going_on_is_followed(tmp_path):
    results = tmp_path / "results"
    name = going(results, 20, torn='{"id": "q20", "grou')
    whole = lines(results, run(results, "vanilla", 0.6, n=60))
    view = View(results)
    with RunDir(results, name).locked(lambda: None):
        (one,) = [r for r in ask(view, "live.json") if r["run"] == name]
    (left,) = [r for r in ask(view, "live.json") if r["run"] == name]
    assert (left["status"], left["done"]) == ("interrupted", 20), "its process has died"
    assert (one["status"], one["done"], one["planned"]) == ("running", 20, 60) and one["left"] > 0
    assert one["right"] + one["wrong"] == 20 and one["damaged"] == 0
    assert one["metric"]["value"] == pytest.approx(one["right"] / 20)
    path = results / "runs" / name / journal.FILE
    path.write_text("".join(whole[:30]))  # a resume cuts the torn line off and goes on
    two = ask(view, f"live/{name}.json")
    assert two["done"] == 30 and two["newest"][0][0] == "q29" and two["metric"]["low"] is None  # 5 clusters
    with path.open("a") as file:
        file.writelines(["damaged\n", *whole[30:]])
    three = ask(view, f"live/{name}.json")
    assert three["done"] == 60 and three["damaged"] == 1 and three["metric"]["low"] is not None
    assert any("damaged" in text for _, text in three["log"])


def test_pages_of_samples_are_those_of_the_site(tmp_path):
    results = tmp_path / "results"
    name, other = going(results, 25), run(results, "vanilla", 0.6, n=60)
    view = View(results)
    (board,) = ask(view, "data/boards.json")
    index = ask(view, f"data/boards/{board['slug']}/index.json")
    assert index["count"] == 60 and len(index["ids"]) == 60 and {r["run"] for r in index["runs"]} == {name, other}
    rows = ask(view, f"data/boards/{board['slug']}/0.json")
    assert [r[0] for r in rows] == index["ids"] and rows[0][4] == "Is there a dog?"
    state = ask(view, f"data/runs/{name}/index.json")["state"]
    assert state.count("-") == 35 and set(state) <= set("01-")
    answers = ask(view, f"data/runs/{name}/0.json")
    assert [a is None for a in answers] == [s == "-" for s in state]
    assert ask(view, f"data/runs/{other}/seen/1.json") is not None
    assert ask(view, "data/runs/none/index.json") is None and ask(view, "live/none.json") is None


@pytest.mark.parametrize("cut", ["", "{", '{"schema": 99}', "[]"])
def test_a_run_in_any_state_is_shown(tmp_path, cut):
    results = tmp_path / "results"
    name = going(results, 10)
    folder = results / "runs" / name
    (folder / "run.json").write_text(cut)
    (results / "runs" / "empty").mkdir()
    (results / "runs" / "stray").write_text("")
    with RunDir(results, "killed").locked(lambda: None):  # before it has written its record
        held = {r["run"]: r["status"] for r in ask(View(results), "live.json")}
    assert held.pop("killed") == "starting"
    view = View(results)
    found = {r["run"]: r for r in ask(view, "live.json")}
    assert found[name]["status"] == "damaged" and found[name]["done"] == 10
    assert found.pop("killed")["status"] == "interrupted"
    assert found["empty"]["status"] == "starting" and len(found) == 2
    assert ask(view, f"live/{name}.json")["log"][0][0] == "error"
    assert ask(View(tmp_path / "nothing"), "live.json") == []


def test_records_that_take_long_hold_no_page_up(tmp_path, monkeypatch):
    """As from a hub that does not answer."""
    results, there = tmp_path / "results", threading.Event()
    going(results, 10)
    monkeypatch.setattr(live_view, "PATIENCE", 0.01)
    monkeypatch.setattr(live_view, "seen", lambda *_, **__: there.wait(20) and Seen(places=("a", "b")))
    view = View(results)
    (board,) = ask(view, "data/boards.json")
    assert ask(view, f"data/boards/{board['slug']}/index.json")["count"] == 10
    there.set()
    live = view.boards[board["slug"]]
    assert live.reader and not live.reader.join(20) and live.told and live.told.places == ("a", "b")


def test_nothing_is_written(workdir):
    assert main(["eval", "task=screenspot", "model=oracle", "limit=4", "logger=quiet"]) == 0
    name = next(Path("results/runs").iterdir()).name
    before = everything(Path("results"))
    write(Path("pages"), Path("results"))
    view = View(Path("results"))
    handler = type("H", (serve.Handler,), {"made": staticmethod(view.answer)})
    with serve.server(Path("pages"), 0, handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()

        def get(path: str) -> bytes:
            return urllib.request.urlopen(f"http://127.0.0.1:{made.server_port}/{path}").read()

        assert b"Runs" in get("index.html") and b"Run" in get(f"run.html?run={name}")
        shown = json.loads(get(f"live/{name}.json"))
        (_, _, _, files, *_), board = shown["newest"][0], shown["board"]
        assert get(files[0])[:4] in (b"RIFF", b"\x89PNG")
        prompt, marks = json.loads(get(f"data/boards/{board}/seen/0.json"))[0]
        assert "Instruction" in prompt[0][1][1] and marks[0]["box"]
        assert [m["role"] for m in json.loads(get(f"data/runs/{name}/seen/0.json"))[0]["marks"]] == ["target", "right"]
        made.shutdown()
    assert everything(Path("results")) == before


def test_an_unknown_run_is_one_line(workdir, capsys):
    run(Path("results"), "vanilla", 0.6, n=6)
    assert main(["view", "quis"]) == 2
    assert "quis is unknown" in capsys.readouterr().err
