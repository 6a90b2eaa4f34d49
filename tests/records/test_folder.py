"""Pictures found by the paths that records write, and what must not be read."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.core import Unusable
from harness.records import Absent, Folder, beside, record_files, tables
from harness.records.folder import parts_of


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), colour).save(path)
    return path


def colour(found) -> tuple[int, int, int]:
    return found.load().getpixel((0, 0))


RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_equal_names_in_two_folders(tmp_path):
    picture(tmp_path / "images" / "siteA" / "1.png"), picture(tmp_path / "images" / "siteB" / "1.png", "blue")
    folder = beside(tmp_path, None)
    assert colour(folder("siteA/1.png")) == RED and colour(folder("siteB/1.png")) == BLUE
    assert colour(beside(tmp_path, None)("D:\\scans\\siteB\\1.png")) == BLUE
    assert colour(beside(tmp_path, None)("/home/me/siteB/1.png")) == BLUE
    assert (folder("siteB/1.png").place, folder("images/siteB/1.png").place) == ("siteB/1", "siteB/1")
    for name in ("1.png", "siteC/1.png", "1"):
        found = folder(name)
        assert isinstance(found, Absent)
        with pytest.raises(Unusable, match=r"fits 2 files \(siteA/1.png and siteB/1.png\): write the path"):
            found.load()


def test_a_name_that_occurs_once_is_found_wherever_it_lies(tmp_path):
    picture(tmp_path / "images" / "deep" / "er" / "1.png")
    for name in ("1.png", "x/1.png", "1", "1.jpg", "er/1.png"):
        found = beside(tmp_path, None)(name)
        assert colour(found) == RED and found.place == "deep/er/1"


@pytest.mark.parametrize("order", [("siteA/1.png", "siteB/1.png"), ("siteB/1.png", "siteA/1.png")])
def test_a_picture_is_not_taken_for_that_of_another_folder(tmp_path, order):
    picture(tmp_path / "siteA" / "1.png")
    folder = beside(tmp_path, None)
    found = {name: folder(name) for name in order}
    assert colour(found["siteA/1.png"]) == RED
    with pytest.raises(Unusable, match=r"image siteB/1.png is not there, and its name is that of siteA/1.png"):
        found["siteB/1.png"].load()


def test_every_format_and_spelling_in_sub_folders(tmp_path):
    for suffix in ("gif", "bmp", "tif", "ppm", "webp", "JPG"):
        picture(tmp_path / "sub" / f"a.{suffix}")
    composed, apart = (unicodedata.normalize(form, "café.png") for form in ("NFC", "NFD"))
    picture(tmp_path / "sub" / apart)
    folder = Folder([tmp_path])
    for suffix in ("gif", "bmp", "tif", "ppm", "webp", "JPG"):
        assert folder(f"a.{suffix}").load() and folder(f"sub/a.{suffix}").load()
    assert folder(composed).load() and folder(apart).load()


@pytest.mark.parametrize(
    "name", ["../secret.png", "images/../../secret.png", "{}/secret.png", "link.png", "out/secret.png"]
)
def test_nothing_outside_is_read(tmp_path, name):
    secret = picture(tmp_path / "secret.png")
    data = tmp_path / "data"
    picture(data / "images" / "a.png")
    (data / "images" / "link.png").symlink_to(secret)
    (data / "out").symlink_to(tmp_path)
    found = beside(data, None)(name.format(tmp_path))
    assert isinstance(found, Absent)
    with pytest.raises(Unusable, match=r"is not in|lies outside"):
        found.load()


def test_links_that_stay_inside_are_followed(tmp_path):
    real = picture(tmp_path / "data" / "store" / "a.png")
    (tmp_path / "data" / "images").mkdir()
    (tmp_path / "data" / "images" / "b.png").symlink_to(real)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert colour(beside(tmp_path / "data", None)("b.png")) == colour(beside(tmp_path / "link", None)("b.png")) == RED
    snapshot = tmp_path / "datasets--x" / "snapshots" / "abc"
    blob = picture(tmp_path / "datasets--x" / "blobs" / "0f.png")
    (snapshot / "images").mkdir(parents=True)
    (snapshot / "images" / "a.png").symlink_to(os.path.relpath(blob, snapshot / "images"))
    assert colour(beside(snapshot, None)("a.png")) == RED, "as the hub's cache stores files"


def test_what_is_no_picture_file(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    picture(tmp_path / ".hidden" / "h.png"), picture(tmp_path / ".ipynb_checkpoints" / "c-checkpoint.png")
    folder = Folder([tmp_path])
    for name in ("a" * 300 + ".png", "loop.png", "pipe.png", "folder.png", "h.png", "c.png", "\0.png", "", "..", "/"):
        found = folder(name)
        assert isinstance(found, Absent), name
        with pytest.raises(Unusable) as e:
            found.load()
        assert len(str(e.value)) < 600
    assert folder("\ud800.png").digest


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab./\\:~ \u2028C", max_size=20))
def test_no_name_leads_out(name):
    assert not {"..", ".", ""} & set(parts_of(name)) and not any("/" in p for p in parts_of(name))


def test_files_that_are_not_records(tmp_path):
    for name in ("a.json", ".ipynb_checkpoints/a-checkpoint.json", "b-checkpoint.json", "._a.json", ".git/c.json",
                 "__MACOSX/d.json", "sub/e.jsonl.gz", "f.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    assert [p.relative_to(tmp_path).as_posix() for p in record_files(tmp_path)] == ["a.json", "sub/e.jsonl.gz"]


def test_descriptions_of_a_dataset_are_left_out(tmp_path):
    (tmp_path / "a.json").write_text('[{"q": 1}]')
    (tmp_path / "dataset_infos.json").write_text('{\n "default": {}\n}')
    (tmp_path / "broken.jsonl").write_text("{x\n")
    files = record_files(tmp_path)
    assert [p.name for p, _ in tables(files, ["q"])] == ["a.json", "broken.jsonl"], (
        "what cannot be read is not passed over"
    )
    assert [p.name for p, _ in tables([tmp_path / "dataset_infos.json"], ["q"])] == ["dataset_infos.json"]
