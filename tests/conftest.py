"""Shared by all tests: results go to a temporary folder, and nothing reaches for the hub."""

from __future__ import annotations

import os
import signal
import sys
import tempfile

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers share the cores
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.pop("HARNESS_RESULTS", None)
os.environ.pop("HARNESS_PLUGINS", None)
for _name in ("COLUMNS", "LINES"):  # readline, which pytest imports, sets them for processes that are started
    os.environ.pop(_name, None)
    os.unsetenv(_name)
_CACHE = tempfile.TemporaryDirectory(prefix="harness-cache-")
os.environ["HARNESS_CACHE"] = _CACHE.name
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; its children would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = (
    "endtoend/test_main_job.py",
    "endtoend/test_damage.py",
    "endtoend/test_code_changes.py",
    "gate",
    "interop/test_lm_eval_model.py",
    "interop/test_lmms_eval_model.py",
    "leaderboard/test_browser.py",
    "leaderboard/test_build.py",
    "leaderboard/test_serve.py",
    "models/test_light.py",
    "models/openai",
    "parity",
    "tasks/lm_eval",
    "tasks/miniwob",
    "tasks/niah",
    "tasks/test_generators.py",
    "tasks/vqa/test_page.py",
    "zoo/test_weights.py",
    "zoo/test_tower_scripts.py",
)
"""Files and folders of ten seconds and more: several workers begin with them, so that none is left with one at the
end."""


def pytest_collection_modifyitems(config, items):
    if os.environ.get("PYTEST_XDIST_WORKER"):
        long = tuple(str(config.rootpath / "tests" / place) for place in LONG)
        items.sort(key=lambda item: not str(item.path).startswith(long))


def pytest_addoption(parser):
    parser.addoption("--device", help="where the small models of the steering and method tests are: cpu, cuda")


def pytest_configure(config):
    if device := config.getoption("--device"):
        os.environ["HARNESS_TEST_DEVICE"] = device  # read by harness.checks.zoo, also in workers
    config.option.loadscopereorder = False  # pytest-xdist would begin with the files of most tests


@pytest.fixture(autouse=True)
def _no_plugins_left():
    """A folder of plug-ins that a test has named would stand before the next one's on the path."""
    yield
    registry = sys.modules.get("harness.plugins.registry")
    if registry and registry.PLACES:
        registry.forget()


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
