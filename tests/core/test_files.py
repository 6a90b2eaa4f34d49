"""The remembered digests of files: right whatever happens to the file, the cache, or beside it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.core import files
from harness.core.files import Digests, cache_folder

REPO = Path(__file__).parents[2]


@pytest.fixture
def settled(tmp_path, monkeypatch):
    """A cache of its own, and a file system whose clock ticks every 20 ms; `wait` lets a file grow older than that."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "TICK", 20_000_000)
    return lambda: time.sleep(0.04)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reads(monkeypatch) -> list[int]:
    """Counts files that are really read."""
    seen: list[int] = []
    real = hashlib.file_digest
    monkeypatch.setattr(files.hashlib, "file_digest", lambda *a: seen.append(1) or real(*a))
    return seen


def test_a_file_is_read_once_by_all_processes(tmp_path, settled, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"white")
    settled()
    seen = reads(monkeypatch)
    first = Digests()
    assert first.of(path) == first.of(path) == sha(b"white")
    first.save()
    assert Digests().of(path) == sha(b"white") and len(seen) == 1


def test_other_contents_of_equal_size_and_time_are_seen(tmp_path, settled):
    path = tmp_path / "a.png"
    path.write_bytes(b"white")
    settled()
    before = path.stat()
    digests = Digests()
    digests.of(path)
    digests.save()
    path.write_bytes(b"black")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.of(path) == Digests().of(path) == sha(b"black")


def test_a_file_written_within_a_tick_is_not_remembered(tmp_path, settled, monkeypatch):
    """Redrawn before the clock ticks, it would look the same."""
    path = tmp_path / "a.png"
    path.write_bytes(b"white")
    state = files.stamp(path)
    monkeypatch.setattr(files, "stamp", lambda p: state)
    digests = Digests()
    assert digests.of(path) == sha(b"white")
    path.write_bytes(b"black")
    assert digests.of(path) == sha(b"black")
    digests.save()
    assert not (tmp_path / "cache").exists()


def test_a_moved_or_touched_file_keeps_its_digest(tmp_path, settled):
    path = tmp_path / "a.png"
    path.write_bytes(b"white")
    first = Digests().of(path)
    os.utime(path, (1, 1))
    assert Digests().of(path) == first
    (tmp_path / "there").mkdir()
    assert Digests().of(path.rename(tmp_path / "there" / "a.png")) == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folder": "other", "files": {}}', '{"folder": 3}', "\x00"])
def test_a_broken_cache_only_costs_time(tmp_path, settled, text):
    path = tmp_path / "a.png"
    path.write_bytes(b"white")
    settled()
    digests = Digests()
    digests.of(path)
    digests.save()
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_text(text)
    again = Digests()
    assert again.of(path) == sha(b"white")
    again.save()
    assert json.loads(file.read_text())["files"]["a.png"][-1] == sha(b"white")


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, settled, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    settled()
    digests = Digests()
    assert digests.of(tmp_path / "file") == sha(b"")
    digests.save()


def test_a_file_that_is_not_there_is_an_error(tmp_path, settled):
    with pytest.raises(OSError):
        Digests().of(tmp_path / "gone.png")


def test_several_processes_write_whole_files(tmp_path, settled):
    """Each saves many times; whatever is left is whole and right."""
    for i in range(20):
        (tmp_path / f"{i}.bin").write_bytes(bytes([i]))
    code = (
        "import sys, pathlib; from harness.core import files\n"
        "files.TICK = 0\n"
        "for i in range(20):\n"
        "    d = files.Digests(); d.of(pathlib.Path(sys.argv[1], f'{i}.bin')); d.save()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment) for _ in range(2)]
    assert [p.wait() for p in running] == [0, 0]
    (file,) = (tmp_path / "cache").rglob("*.json")
    kept = json.loads(file.read_text())["files"]
    assert kept and all(entry[-1] == sha(bytes([int(name.split(".")[0])])) for name, entry in kept.items())


def test_where_the_cache_lies(monkeypatch):
    monkeypatch.delenv("HARNESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/harness")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "harness"
