"""One Chromium for a whole run: pages on an event loop of its own, launched when needed, and again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as Late
from pathlib import Path
from typing import Any

from harness.browser import chromium
from harness.core.errors import first_line
from harness.tasks.miniwob.actions import HEIGHT, WIDTH

TIMEOUT = 30.0
"""Seconds that one operation on a page may take before its browser counts as lost."""
VIEW = {"width": WIDTH + 172, "height": HEIGHT + 4}
"""As BrowserGym's, so that pages lay themselves out as there."""
PAGE = Path(__file__).with_name("page.js").read_text()


class Lost(Exception):
    """The browser or the page died under an operation."""


class Refused(Exception):
    """The page did not take the action: no such element, not clickable ..."""


class Browser:
    """`call` runs coroutines on its loop from any thread. Pages are kept and used again; each has its own context."""

    def __init__(self, scale: float):
        self.scale = scale
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="miniwob browser", daemon=True)
        self._thread.start()
        self._playwright: Any = None
        self._browser: Any = None
        self._launching = asyncio.Lock()
        self._free: list[Any] = []

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The coroutine's result. Raises Lost where the browser died or did not answer in time."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(TIMEOUT)
        except Late as e:
            future.cancel()
            raise Lost(f"no answer within {TIMEOUT:.0f} seconds") from e
        except Exception as e:
            if _fatal(e) and not isinstance(e, Refused):  # which quotes what the model wrote
                raise Lost(first_line(e)) from e
            raise

    async def page(self) -> Any:
        """A page of its own."""
        async with self._launching:
            if self._browser is None or not self._browser.is_connected():
                self._browser = await self._launch()
        while self._free:
            page = self._free.pop()
            if not page.is_closed() and page.context.browser is self._browser:
                return page
        context = await self._browser.new_context(viewport=VIEW, device_scale_factor=self.scale)
        await context.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
        page = await context.new_page()
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.dismiss()))
        return page

    async def give_back(self, page: Any) -> None:
        if not page.is_closed():
            self._free.append(page)

    async def discard(self, page: Any) -> None:
        with contextlib.suppress(Exception):
            await page.context.close()

    async def _launch(self) -> Any:
        from playwright.async_api import async_playwright

        if self._playwright is None:
            self._playwright = await async_playwright().start()
        self._free.clear()
        return await self._playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])

    def close(self) -> None:
        """End the browser and the loop; calling it twice does no harm."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        if self._browser is not None:
            with contextlib.suppress(Exception):
                await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()
        rest = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def _fatal(error: Exception) -> bool:
    said = f"{type(error).__name__} {error}"
    return any(w in said for w in ("TargetClosed", "has been closed", "crashed", "Connection closed", "disconnected"))
