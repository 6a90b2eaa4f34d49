"""One episode on one page: start it by its seed, act, look. A lost browser is replaced and the actions played again."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.core import Missing
from harness.core.errors import first_line
from harness.tasks.miniwob.actions import FORMS, HEIGHT, WIDTH, Action
from harness.tasks.miniwob.axtree import tree
from harness.tasks.miniwob.browser import PAGE, Browser, Lost, Refused

LIMIT = 2**31 - 1
"""Milliseconds of EPISODE_MAX_TIME, so that a slow model never times out; one more would fire at once."""
PATIENCE = 1500
"""Milliseconds that an element may take to become clickable."""
BUSY = 30000
"""Milliseconds for an element that is clickable already, where the machine was too busy to act on it in time."""
READY = """([bid, option]) => {
  const e = document.querySelector(`[bid="${CSS.escape(bid)}"]`);
  if (!e || e.disabled || e.readOnly || getComputedStyle(e).visibility !== "visible") return false;
  e.scrollIntoView({block: "nearest", inline: "nearest"});
  const b = e.getBoundingClientRect();
  if (!b.width || !b.height) return false;
  if (option !== null) return [...(e.options ?? [])].some((o) => [o.value, o.label, o.text.trim()].includes(option));
  const hit = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
  return hit !== null && e.contains(hit);
}"""
"""Whether an element is there, seen, not disabled and not covered; and has the option that is to be selected."""
REPLAYS = 2
"""Times that a lost browser is replaced in one episode."""
OBSERVATIONS = ("screenshot", "dom", "axtree")


def folder() -> Path:
    """Folder of the pages; the package is not imported (it needs Selenium). Raises Missing without it."""
    spec = find_spec("miniwob")
    if spec is None or spec.origin is None:
        raise Missing("the pages of MiniWoB++ are not installed: pip install 'harness[miniwob]'")
    return Path(spec.origin).parent / "html" / "miniwob"


@dataclass(frozen=True)
class State:
    """After an action. `raw` is the undecayed reward, 0 while running; `env` the page's own, decayed by time."""

    utterance: str
    fields: dict[str, str]
    done: bool
    raw: float
    env: float
    reason: str
    screenshot: bytes = field(default=b"", repr=False)
    dom: str = field(default="", repr=False)
    axtree: str = field(default="", repr=False)


class Episode:
    """Not for several threads at a time."""

    def __init__(self, browser: Browser, name: str, seed: int, observe: tuple[str, ...]):
        self.browser, self.name, self.seed, self.observe = browser, name, seed, observe
        self.played: list[Action] = []
        self.replays = 0
        self.state: State | None = None
        self._page: Any = None

    def start(self) -> State:
        """Load the page, draw the problem, look. Raises Lost, or Missing where there is no browser."""
        return self._safely(self._start)

    def act(self, action: Action) -> State:
        """Carry out one action, look. Raises Refused where the page does not take it; the episode continues then.

        What ends an episode is read at once and kept: nothing that happens to the page later can change it.
        """
        if self.state is not None and self.state.done:
            return self.state

        async def work() -> State:
            await _perform(self._page, action)
            return await self._look()

        state = self._safely(work)
        self.played.append(action)
        return state

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """The value of a JavaScript expression on the page (for the scripted oracle)."""
        return self._safely(lambda: self._page.evaluate(script, argument))

    def close(self) -> None:
        if self._page is not None:
            page, self._page = self._page, None
            self.browser.call(self.browser.give_back(page))

    def _safely(self, work: Any) -> Any:
        """Run on the browser's loop. A lost browser is replaced: the same actions on the same seed restore the page."""
        while True:
            try:
                return self.browser.call(work())
            except Lost:
                if self.replays >= REPLAYS:
                    self._page = None
                    raise
                self.replays += 1
                if work != self._start:
                    self.browser.call(self._restore())

    async def _restore(self) -> None:
        await self._start()
        for action in self.played:
            await _perform(self._page, action)

    async def _start(self) -> State:
        if self._page is not None:
            await self.browser.discard(self._page)
        self._page = await self.browser.page()
        page = self._page
        await page.goto(f"{folder().as_uri()}/{self.name}.html")
        await page.evaluate(PAGE)
        await page.evaluate("([seed, limit]) => harness.begin(seed, limit)", [self.seed, LIMIT])
        await page.wait_for_function("WOB_TASK_READY", timeout=5000)
        return await self._look()

    async def _look(self) -> State:
        page = self._page
        if not await page.evaluate("typeof harness !== 'undefined'"):
            # The page went somewhere else, which ends the task with nothing.
            utterance = self.state.utterance if self.state else ""
            self.state = State(utterance, {}, True, 0.0, 0.0, "left the page")
            return self.state
        await _settle(page)
        read = await page.evaluate("harness.state()")
        picture, dom, axtree = b"", "", ""
        if not read["done"]:
            dom = await page.evaluate("harness.dom()")
            if "screenshot" in self.observe:
                clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}
                picture = await page.screenshot(clip=clip, caret="hide")
            if "axtree" in self.observe:
                axtree = await tree(page)
        raw, env = float(read["raw"] or 0), float(read["env"] or 0)
        ended = bool(read["done"])
        self.state = State(
            " ".join(str(read["utterance"]).split()),
            {str(k): str(v) for k, v in (read["fields"] or {}).items()},
            ended,
            raw if ended else 0.0,
            env if ended else 0.0,
            str(read["reason"] or ""),
            picture,
            dom,
            axtree,
        )
        return self.state


async def _settle(page: Any) -> None:
    """Until the page's own movement is over, two seconds at most."""
    for _ in range(40):
        if await page.evaluate("harness.settled()"):
            return
        await page.wait_for_timeout(50)


async def _perform(page: Any, action: Action) -> None:
    """Raises Refused. What a page takes does not depend on how busy the machine is."""
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as Late

    try:
        try:
            await _do(page, action, PATIENCE)
        except Late as e:
            done = "- performing " in str(e)  # the mouse has clicked, and was not heard of in time
            if not done and not await _ready(page, action):
                raise
            if not done:
                await _do(page, action, BUSY)
    except Error as e:
        if any(w in str(e) and w not in str(action) for w in ("closed", "crashed")):
            raise
        first = first_line(e, 160)
        raise Refused(f"{action}: {first}") from e


async def _ready(page: Any, action: Action) -> bool:
    """Whether all elements that the action names can be acted on now."""
    option = action.values[1] if action.name == "select_option" else None
    bids = [v for v, kind in zip(action.values, FORMS[action.name], strict=True) if kind == "bid"]
    return bool(bids) and all([await page.evaluate(READY, [str(bid), option]) for bid in bids])


async def _do(page: Any, action: Action, patience: int) -> None:
    name, values = action.name, action.values
    mouse = page.mouse
    if name == "noop":
        await page.wait_for_timeout(200)
    elif name in ("click", "dblclick", "hover", "clear", "focus"):
        await getattr(_element(page, values[0]), name)(timeout=patience)
    elif name == "fill":
        await _element(page, values[0]).fill(values[1], timeout=patience)
    elif name == "press":
        await _element(page, values[0]).press(values[1], timeout=patience)
    elif name == "select_option":
        await _element(page, values[0]).select_option(values[1], timeout=patience)
    elif name == "drag_and_drop":
        await _element(page, values[0]).drag_to(_element(page, values[1]), timeout=patience)
    elif name == "mouse_click":
        await mouse.click(*values)
    elif name == "mouse_dblclick":
        await mouse.dblclick(*values)
    elif name == "mouse_move":
        await mouse.move(*values)
    elif name in ("mouse_down", "mouse_up"):
        await mouse.move(*values)
        await getattr(mouse, name.removeprefix("mouse_"))()
    elif name == "mouse_drag_and_drop":
        await mouse.move(*values[:2])
        await mouse.down()
        await mouse.move(*values[2:], steps=5)
        await mouse.up()
    elif name == "scroll":
        await mouse.wheel(*values)
    elif name == "keyboard_press":
        await page.keyboard.press(values[0])
    else:
        await page.keyboard.type(values[0])


def _element(page: Any, bid: str | float) -> Any:
    return page.locator(f'[bid="{str(bid).replace(chr(34), "")}"]')
