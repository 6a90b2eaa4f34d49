"""Redaction: every form in which an error repeats a secret, and nothing of an ordinary sentence."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError, first_line
from harness.core.secrets import GONE, clean, guard, hidden, redacted
from harness.core.types import Result

KEY = "sk/made+up=42 42"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "MY_TOKEN", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        json.dumps(KEY),
        json.dumps({"error": json.dumps({"key": KEY})}),
        repr(KEY.encode()),
        quote(KEY, safe=""),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        base64.b64encode(f"me:{KEY}!".encode()).decode(),
        base64.urlsafe_b64encode(f"u:{KEY}".encode()).decode(),
    ],
)
def test_every_form_of_a_key(written):
    said = redacted(f"the server said {written}, no")
    assert GONE in said
    for part in ("made", "bWFkZ", "1hZGU", "tYWRl"):  # and "made" in Base64, at its three places
        assert part not in said


def test_a_key_with_a_line_end_and_quotes(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "“sk-made-up-424242”\n")
    for text in ("b'Bearer sk-made-up-424242\\n'", "\\u201csk-made-up-424242\\u201d", "“sk-made-up-424242”"):
        assert "made-up" not in hidden(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot reach http://me:pass-word@host:1/v1", "pass-word"),
        ("401: {'Authorization': 'Bearer abcdefgh1234'}", "abcdefgh1234"),
        ('headers: {"authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz"),
        ("Authorization: token0123456789", "token0123456789"),
        ("Authorization: Bearer abcd", "abcd"),
        ("GET /v1?key=AIzaSyAAAA&x=1 failed", "AIzaSyAAAA"),
        ("invalid x-api-key: 12345678abcd", "12345678abcd"),
        ("Incorrect API key provided: sk-proj-abcdefghijklmnop0123", "abcdefghijklmnop"),
        ("token hf_abcdefghijklmnop0123 is invalid", "hf_abcdefghijklmnop0123"),
    ],
)
def test_what_looks_like_a_secret(text, secret):
    assert secret not in redacted(text) and GONE in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "set OPENAI_API_KEY in the environment",
        "the key is refused: status 401: no authorization",
        "basic information about the bearer of the token",
        "https://host/v1/chat/completions answered 500: mail admin@host.org",
        "model 'hf_model' has no tokenizer; task.suffix=@x",
    ],
)
def test_ordinary_sentences_stay(text):
    assert redacted(text) == text


def test_values_that_are_words_or_paths_stay(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "password")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/results")
    assert hidden("a password in /home/me/results") == "a password in /home/me/results"


def test_secrets_of_other_names(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "canary-0123")
    monkeypatch.setenv("ALL_PROXY", "http://me:canary-4567@proxy:1")
    guard("canary-89ab")
    assert hidden("canary-0123 canary-4567 canary-89ab") == f"{GONE} {GONE} {GONE}"


def test_errors_and_rows_are_clean():
    error = UsageError(f"they said {KEY}")
    assert KEY not in str(error) and KEY not in first_line(ValueError(KEY))
    told = {"type": "Unusable", "message": KEY}
    row = Result("a", "b", "c", None, None, {"type": "X", "message": KEY, "traceback": f"...{KEY}"}, replies=(told,))
    assert KEY not in repr(row)
    assert clean({"a": [KEY, 1, None], KEY: (KEY,)}) == {"a": [GONE, 1, None], GONE: [GONE]}
    settings = {"extra": {"api_key": "abc", "top_k": 1}, "Authorization": "x", "tokens": "y", "token": 3, "secret": ""}
    assert clean(settings) == settings | {"extra": {"api_key": GONE, "top_k": 1}, "Authorization": GONE}


def test_a_message_is_redacted_before_it_is_cut():
    assert "sk/made" not in first_line(ValueError("x" * 195 + KEY))


@given(st.text())
def test_redaction_ends(text):
    assert redacted(redacted(text)) == redacted(text)
