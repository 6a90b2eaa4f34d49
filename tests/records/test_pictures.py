"""What of records and their pictures goes into a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import pytest
from PIL import Image

from harness.core import Picture
from harness.records import LATER, Absent, Folder, Named, Stored, facts, mark, table_pictures


@dataclass(frozen=True)
class Place:
    row: int = 0


@dataclass(frozen=True)
class Record:
    id: str = "a"
    parts: tuple[str | Picture, ...] = ()
    names: frozenset[str] = frozenset()
    place: Place = field(default_factory=Place)
    length: float = 1.0


def test_every_field_counts():
    base = Record()
    others = {"id": "b", "parts": ("x",), "names": frozenset("c"), "place": Place(1), "length": 2.0}
    assert set(others) == {f.name for f in fields(Record)}
    for name, value in others.items():
        assert facts(replace(base, **{name: value})) != facts(base)
    assert facts(Record(names=frozenset("abc"))) == facts(Record(names=frozenset("cba")))


def test_pictures_count_by_their_contents(tmp_path):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (8, 8), "white").save(path)
    before = mark(Named("a", path)), path.stat().st_size
    assert before[0] == mark(Stored("a", path.read_bytes())) == facts(Record(parts=(Picture(path),)))[1][0]
    Image.new("RGB", (8, 8), "black").save(path)
    assert path.stat().st_size == before[1] and mark(Named("a", path)) != before[0]


def test_what_is_not_there_or_not_fetched(tmp_path):
    assert mark(Absent("a", "here")) == mark(Folder([tmp_path])("gone.png")) == "absent"
    assert mark(Picture(tmp_path)) == "unreadable", "one sample's fault, not the run's"
    assert mark(Stored("a", lambda: pytest.fail("fetched"))) == ""


def test_other_bytes_under_one_name_are_another_picture():
    read = table_pictures()
    first, second = read("1.png", {"bytes": b"a"}), read("1.png", {"bytes": b"b"})
    assert first is read("1.png", {"bytes": b"a"}) and second is read("1.png", b"b")
    assert (first.place, second.place) == ("1", "1#2") and second.source == b"b"
    lazy = read("2.png", lambda: {"bytes": b"a"})
    assert lazy is read("2.png", lambda: {"bytes": b"b"}), "nothing is fetched to compare it"


def test_a_later_field_leaves_fingerprints_as_they_are():
    @dataclass(frozen=True)
    class Sized(Record):
        size: tuple[int, int] | None = field(default=None, metadata=LATER)

    assert facts(Sized()) == facts(Record()) and facts(Sized(size=(1, 2))) == [*facts(Record()), [1, 2]]
