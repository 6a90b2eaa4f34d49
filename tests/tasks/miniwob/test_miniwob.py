"""MiniWoB++ in a real Chromium: seeds, rewards, experts, a killed browser, whole runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import browser as browsers
from harness.browser import chromium
from harness.cli import main
from harness.core import Missing, Reply
from harness.plugins.registry import Registry
from harness.tasks.miniwob.actions import parse
from harness.tasks.miniwob.browser import Browser, Lost
from harness.tasks.miniwob.environment import Episode, Refused, State, folder
from harness.tasks.miniwob.policies import POLICIES, PageView
from tests.tasks.measured import stored

try:
    chromium()
    folder()
except Missing as e:
    pytest.skip(str(e), allow_module_level=True)

EVERY = ("screenshot", "dom", "axtree")


@pytest.fixture(scope="module")
def browser():
    made = Browser(2)
    yield made
    made.close()


def started(browser, name: str, seed: int, observe=()) -> tuple[Episode, object]:
    episode = Episode(browser, name, seed, tuple(observe))
    return episode, episode.start()


def test_a_known_problem(browser):
    episode, state = started(browser, "click-test-2", 0, EVERY)
    assert state.utterance == "Click button ONE." and not state.done and state.raw == 0
    assert 'button "ONE"' in state.axtree and ">ONE</button>" in state.dom and state.screenshot[:4] == b"\x89PNG"
    (one,) = [e for e in PageView(episode.evaluate).all("#area button") if e.text == "ONE"]
    state = episode.act(parse(f"mouse_click({one.x}, {one.y})"))
    assert state.done and state.raw == 1 and state.env > 0.99
    episode.close()


@pytest.mark.parametrize("name", ["click-test", "click-shape", "email-inbox", "use-slider", "count-sides"])
def test_the_same_seed_gives_the_same_page(browser, name):
    seen = []
    for seed in (3, 4, 3):
        episode, state = started(browser, name, seed, ("screenshot",))
        seen.append((state.utterance, state.dom, state.screenshot))
        episode.close()
    assert seen[0] == seen[2] and seen[0] != seen[1]


def test_an_observation_waits_for_the_icons(monkeypatch):
    """They come with the style, late on a busy machine; without them a button has no size."""
    seen = []
    for delay in (0, 0.4):
        with contextlib.closing(Browser(1)) as browser:
            plain = browser.page

            async def page(plain=plain, delay=delay):
                async def late(route):
                    await asyncio.sleep(delay)
                    await route.continue_()

                made = await plain()
                await made.route("**/*.png", late)
                return made

            monkeypatch.setattr(browser, "page", page)
            episode, state = started(browser, "email-inbox", 3)
            episode.close()
            seen.append(state.dom)
    assert 'id="open-search"' in seen[0] and seen[0] == seen[1]


def test_nothing_after_the_end_changes_it(browser):
    """A click on the cover would start a new episode and wipe the reward."""
    episode, _ = started(browser, "click-test", 0)
    button = PageView(episode.evaluate).one("#area button")
    assert episode.act(parse(f"mouse_click({button.x}, {button.y})")).raw == 1
    episode.browser.call(episode._page.mouse.click(80, 100))
    assert episode.evaluate("[WOB_DONE_GLOBAL, WOB_RAW_REWARD_GLOBAL]") == [True, 1]
    assert episode.act(parse("mouse_click(1, 1)")).raw == 1
    episode.close()


def test_a_wrong_click_is_punished_and_a_missing_element_is_not(browser):
    episode, _ = started(browser, "click-button", 1)
    with pytest.raises(Refused, match="Timeout"):
        episode.act(parse('click("999")'))
    for word in ("crashed", "has been closed"):
        with pytest.raises(Refused, match="Unknown key"):
            episode.act(parse(f'keyboard_press("{word}")'))
    state = episode.act(parse("noop()"))
    assert not state.done and state.raw == 0 and not episode.replays, "such a key is no lost browser"
    episode.close()


def test_partial_credit(browser):
    """Five of six boxes right: a positive reward below 1."""
    for seed in range(20):
        episode, state = started(browser, "click-checkboxes", seed)
        view = PageView(episode.evaluate)
        boxes = view.all("#boxes label")
        wanted = state.utterance.removeprefix("Select ").split(" and click")[0].split(", ")
        if len(boxes) >= 5 and len(wanted) >= 2:
            for e in boxes:
                if e.text in wanted[1:]:
                    episode.act(parse(f"click({e.bid})"))
            state = episode.act(parse(f"click({view.one('#area button').bid})"))
            assert state.done and 0 < state.raw < 1
            episode.close()
            return
        episode.close()
    raise AssertionError("no page had enough boxes")


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_the_experts_solve_their_tasks(browser, name):
    episode, state = started(browser, name, 5)
    for action in POLICIES[name](state.utterance, PageView(episode.evaluate)):
        state = episode.act(action)
        if state.done:
            break
    assert state.raw == 1, state.reason
    episode.close()


def kill_browsers() -> int:
    """kill -9 of this process's Chromiums; how many were there."""
    mine = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    parents = {int(p): (int(q), a) for p, q, a in (line.split(None, 2) for line in mine.splitlines()[1:])}

    def descends(pid: int) -> bool:
        while pid in parents:
            if pid == os.getpid():
                return True
            pid = parents[pid][0]
        return False

    found = [
        p for p, (_, args) in parents.items() if "--user-data-dir" in args and "--type=" not in args and descends(p)
    ]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):  # the first of a script and its program takes the other along
            os.kill(pid, signal.SIGKILL)
    return len(found)


def test_a_killed_browser_costs_nothing(workdir):
    """The same page comes back in a new browser, with what was done to it."""
    own = Browser(1)
    try:
        episode, before = started(own, "login-user", 2, ("dom",))
        view = PageView(episode.evaluate)
        episode.act(parse(f"fill({view.one('#username').bid}, 'abc')"))
        assert kill_browsers() >= 1
        time.sleep(0.3)
        state = episode.act(parse("noop()"))
        assert state.utterance == before.utterance and 'value="abc"' in state.dom and episode.replays == 1
        episode.close()
    finally:
        own.close()


def test_a_browser_that_dies_again_and_again_is_one_error(workdir):
    own = Browser(1)
    try:
        episode, _ = started(own, "click-test", 0)

        async def die():
            raise RuntimeError("Target page, context or browser has been closed")

        with pytest.raises(Lost):
            episode._safely(die)
        fresh, state = started(own, "click-test", 0)
        assert state.utterance
        fresh.close()
    finally:
        own.close()


def test_a_busy_machine_is_no_reason_to_refuse(browser, monkeypatch):
    """With no patience at all, elements that can be acted on are acted on once, and the others are refused."""
    monkeypatch.setattr("harness.tasks.miniwob.environment.PATIENCE", 1)
    episode, _ = started(browser, "choose-list", 0)
    page = PageView(episode.evaluate)
    goal = page.one("#query").text
    choice, button = page.one("#options").bid, page.one("#area button").bid
    begun = time.monotonic()
    with pytest.raises(Refused, match="Timeout"):
        episode.act(parse(f'select_option("{choice}", "no such option")'))
    episode.evaluate("(bid) => { document.querySelector(`[bid='${bid}']`).style.display = 'none'; }", button)
    with pytest.raises(Refused, match="Timeout"):
        episode.act(parse(f'click("{button}")'))
    assert time.monotonic() - begun < 25
    episode.evaluate("(bid) => { document.querySelector(`[bid='${bid}']`).style.display = ''; }", button)
    name = re.fullmatch(r"Select (.*) from the list and click Submit\.", goal)
    assert name
    episode.act(parse(f'select_option("{choice}", "{name[1]}")'))
    assert episode.act(parse(f'click("{button}")')).raw == 1
    episode.close()


@pytest.mark.parametrize(("screenshots", "shown"), [(1, ["0", "1", "2", "3"]), (3, ["0", "0 1", "0 1 2", "1 2 3"])])
def test_prompts_show_the_last_screenshots_oldest_first(screenshots, shown):
    """A page that is over after four clicks; its screenshot is the number of its step."""

    class Page:
        seed, replays, at = 0, 0, 0

        def start(self):
            return State("Click.", {}, self.at == 4, 0.0, 0.0, "", screenshot=str(self.at).encode())

        def act(self, action):
            self.at += 1
            return self.start()

    task = Registry().tasks["miniwob"].build(data="embedded", screenshots=screenshots)
    play, prompts = task._play(Page()), []
    request = next(play)
    with pytest.raises(StopIteration):
        while True:
            prompts.append(" ".join(p.source.decode() for p in request.pictures))
            request = play.send(Reply("mouse_click(10, 60)"))
    assert prompts == shown
    assert (task.settings.asked() == Registry().tasks["miniwob"].build(data="embedded").settings.asked()) == (
        screenshots == 1
    )


SOME = "task.tasks=[click-test,click-button,focus-text,click-tab,enter-text,login-user]"


def test_whole_runs(workdir):
    words = ["task=miniwob", SOME, "task.seeds=1", "task.max_steps=4", "task.observation=[dom]", "logger=quiet"]
    assert main(["eval", "-m", *words, "model=oracle,chance"]) == 0
    best, blind = stored("*oracle*"), stored("*chance*")
    assert best["sr_strict", "all"]["value"] == 1 and best["failed", "all"]["value"] == 0
    assert best["sr_pos", "login-user"]["value"] == 1 and blind["sr_pos", "all"]["value"] < 0.7


def test_the_embedded_model_plays(workdir):
    words = ["task=miniwob", "task.tasks=[click-test]", "task.seeds=2", "task.max_steps=2", "logger=quiet"]
    assert main(["eval", *words]) == 0
    assert stored()["failed", "all"]["value"] == 0
    (folder,) = Path("results/runs").glob("*")
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    steps = [step for row in rows for step in row["steps"]]
    assert steps and all((folder / "pictures" / step["file"]).stat().st_size for step in steps)


def test_steps_show_the_element_that_was_clicked(workdir):
    words = ["task=miniwob", "task.tasks=[choose-list]", "task.seeds=1", "model=oracle", "logger=quiet"]
    assert main(["eval", *words]) == 0
    (folder,) = Path("results/runs").glob("*")
    choice, click = json.loads((folder / "samples.jsonl").read_text())["steps"]
    for step, action in ((choice, "select_option("), (click, "click(")):
        (x0, y0, x1, y1) = step["marks"][0]["box"]
        assert step["action"].startswith(action) and 0 <= x0 < x1 <= 1 and 50 / 210 <= y0 < y1 <= 1


def test_the_expert_plays_under_a_method_that_asks_otherwise(workdir):
    words = ["task=miniwob", "task.tasks=[enter-text]", "task.seeds=1", "task.observation=[axtree]", "logger=quiet"]
    assert main(["eval", *words, "model=oracle", "method=synapse"]) == 0
    assert stored()["sr_strict", "all"]["value"] == 1 and stored()["own_page", "all"]["value"] == 1


def test_no_browser_is_one_line(workdir, capsys, monkeypatch):
    monkeypatch.setattr(browsers, "NAMES", ("no-such-browser",))
    monkeypatch.delenv("HARNESS_CHROMIUM", raising=False)
    assert main(["eval", "task=miniwob", "model=oracle"]) == 3
    err = capsys.readouterr().err
    assert "apt-get install chromium-headless-shell" in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.data=nope"], "choose one of embedded"),
        (["task.tasks=[nope]"], "choose from ascending-numbers"),
        (["task.observation=[smell]"], "choose from screenshot"),
        (["task.seeds=0"], "1 or more"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, said):
    assert main(["eval", "task=miniwob", "model=oracle", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1
