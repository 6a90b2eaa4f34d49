"""Finding a Chromium for the parts that need one: MiniWoB++, and the pages of the embedded ScreenSpot."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from harness.core.errors import Missing

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The headless shell starts three times faster, and several pages of it run side by side."""
VARIABLE = "HARNESS_CHROMIUM"


def chromium() -> str:
    """The path of a Chromium: $HARNESS_CHROMIUM, or the first of `NAMES` on the path.

    Raises Missing, with the command that installs what is lacking, including Playwright.
    """
    if find_spec("playwright") is None:
        raise Missing("Playwright is not installed: pip install 'harness[browser]'")
    given = os.environ.get(VARIABLE)
    if given and not (Path(given).is_file() and os.access(given, os.X_OK)):
        raise Missing(f"{VARIABLE}={given} is not a program: give the path of a Chromium, or unset it")
    found = given or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise Missing(
            "no Chromium was found: apt-get install chromium-headless-shell (or chromium), or give its path by "
            f"{VARIABLE}=PATH"
        )
    return found
