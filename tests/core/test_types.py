from __future__ import annotations

import io
import os

import pytest
from PIL import Image

from harness.core import Decoding, Message, Picture, Request, Unusable, UsageError, user
from harness.core.errors import first_line


def png(colour="red", size=(4, 4)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_is_its_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    assert Picture(png()) == Picture(tmp_path / "a.png") != Picture(png("blue"))
    assert Picture(png()).load().size == (4, 4)


def test_bad_pictures_are_named(tmp_path):
    with pytest.raises(Unusable, match="cannot be decoded"):
        Picture(png(size=(64, 64))[:60]).load()
    with pytest.raises(Unusable, match=r"gone\.png cannot be read"):
        Picture(tmp_path / "gone.png").load()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unusable, match=r"pipe\.png cannot be read: not a regular file"):
        Picture(tmp_path / "pipe.png").load()


def test_a_request_in_other_words():
    picture = Picture(b"1")
    asked = Request((Message("user", (picture, "What is it?")),), 8)
    told = Request((Message("system", ("Be brief.",)), *asked.messages), 8)
    assert asked.changed(system="Be long.") == told.changed(system="Be long.")
    assert asked.changed(system="Be long.").messages == (Message("system", ("Be long.",)), *asked.messages)
    assert told.changed(text=str.upper).messages[1].content == (picture, "WHAT IS IT?")
    assert told.changed(text=str.upper).messages[0] == told.messages[0] and told.changed() == told


def test_request_keys_tell_apart_what_matters():
    base = Request(user(Picture(png()), "Is there a dog?"), 8)
    assert base.key == Request(user(Picture(png()), "Is there a dog?"), 8).key
    others = [
        Request(user(Picture(png("blue")), "Is there a dog?"), 8),
        Request(user(Picture(png()), "Is there a cat?"), 8),
        Request(user("Is there a dog?", Picture(png())), 8),
        Request(user(Picture(png()), "Is there ", "a dog?"), 8),
        Request(user(Picture(png()), "Is there a dog?"), 9),
        Request(user(Picture(png()), "Is there a dog?"), 8, draw=1),
        Request(user(Picture(png()), "Is there a dog?"), 8, stop=("\n",)),
        Request((Message("system", ("x",)), *user(Picture(png()), "Is there a dog?")), 8),
    ]
    assert len({base.key, *(r.key for r in others)}) == 9


@pytest.mark.parametrize(
    "values", [{"strategy": "gready"}, {"strategy": "beam"}, {"strategy": "nucleus", "temperature": 0}, {"top_p": 0}]
)
def test_wrong_decodings_are_refused(values):
    with pytest.raises(UsageError):
        Decoding(**values)


def test_first_line_of_an_error():
    assert first_line(ValueError("\n  what failed \nwhere")) == "what failed"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(OSError("x" * 500), 10) == "x" * 10
