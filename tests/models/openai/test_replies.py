"""What servers answer in the wild: each shape is an answer, or keeps the server's words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.reasoning import answered
from harness.models.openai.replies import Fault, read, reply, waiting, words

httpx = pytest.importorskip("httpx")


def completion(message, finish="stop", **more):
    return {"choices": [{"message": message, "finish_reason": finish}], **more}


def response(status, value, **headers):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return httpx.Response(status, content=data, headers=headers)


def fault(status, value, **headers):
    with pytest.raises(Fault) as e:
        read(response(status, value, **headers), reply)
    return e.value


@pytest.mark.parametrize(
    ("message", "reason", "text", "finish"),
    [
        ({"content": "Yes"}, "stop", "Yes", "stop"),
        ({"content": "Yes"}, None, "Yes", "stop"),
        ({"content": None}, "length", "", "length"),
        ({"content": None}, "content_filter", "", "content_filter"),
        ({"content": None, "tool_calls": [{}]}, "tool_calls", "", "tool_calls"),
        ({"content": None, "refusal": "I will not"}, "stop", "I will not", "refusal"),
        ({}, "stop", "", "stop"),
        (None, "content_filter", "", "content_filter"),
        *(({"content": "Yes"}, r, "Yes", "stop") for r in ("eos_token", "stop_sequence", "end_turn", "STOP", "new")),
        *(({"content": "Ye"}, r, "Ye", "length") for r in ("length", "max_tokens", "MAX_TOKENS", "model_length")),
        ({"content": ""}, "stop", "", "stop"),
        ({"content": ""}, "end_turn", "", "stop"),
        ({"content": ""}, None, "", "stop"),
        ({"content": None}, "function_call", "", "tool_calls"),
        ({"content": None}, "content-filter", "", "content_filter"),
        ({"content": ""}, "RECITATION", "", "content_filter"),
        ({"content": []}, "length", "", "length"),
        ({"content": [{"type": "text", "text": "Y"}, "es", {"type": "text", "text": None}]}, "stop", "Yes", "stop"),
        ({"content": [{"type": "thinking", "thinking": None, "text": None}, {"text": "Yes"}]}, "stop", "Yes", "stop"),
        ({"content": {"type": "text", "text": "Yes"}}, "stop", "Yes", "stop"),
        ({"content": [{"type": "text", "text": {"value": "Yes", "annotations": []}}]}, "stop", "Yes", "stop"),
        ({"content": 42}, "stop", "42", "stop"),
        ({"content": [{"type": "refusal", "refusal": "No way"}]}, "stop", "No way", "stop"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}, {"text": "Yes"}]}, "stop",
         "<think>h</think>Yes", "stop"),
        ({"content": "Yes", "reasoning_content": "No?"}, "stop", "<think>No?</think>Yes", "stop"),
        ({"content": "Yes", "reasoning": "No?"}, "stop", "<think>No?</think>Yes", "stop"),
        ({"content": "Yes", "reasoning_details": [{"text": "No?"}]}, "stop", "<think>No?</think>Yes", "stop"),
        ({"content": None, "reasoning_content": "The ques"}, "length", "<think>The ques</think>", "length"),
    ],
)  # fmt: skip
def test_answers(message, reason, text, finish):
    found = reply(completion(message, reason))
    assert (found.text, found.finish) == (text, finish)


def test_tokens_are_counted_where_they_are_numbers():
    usage = {"prompt_tokens": 7, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}
    found = reply(completion({"content": "Yes"}, usage=usage))
    assert (found.prompt_tokens, found.new_tokens, found.thinking_tokens) == (7, 9, 4)
    for odd in (
        "none",
        [1],
        {"prompt_tokens": "many", "completion_tokens": None, "completion_tokens_details": 3},
        None,
    ):
        found = reply(completion({"content": "Yes"}, usage=odd))
        assert (found.prompt_tokens, found.new_tokens, found.thinking_tokens) == (0, 0, 0)


@pytest.mark.parametrize(
    ("status", "value", "kept"),
    [
        (400, {"error": {"message": "too long:\n5000 tokens"}}, "status 400: too long: 5000 tokens"),
        (400, {"error": "bad"}, "status 400: bad"),
        (404, {"detail": "Not Found"}, "status 404: Not Found"),
        (404, {"message": "no such route"}, "status 404: no such route"),
        (404, {"object": "error", "message": "The model `m` does not exist.", "code": 404}, "The model `m` does not"),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, "body.messages: field required"),
        (400, {"error": {"message": "Provider returned error", "metadata": {"raw": "image too small"}}},
         "Provider returned error: image too small"),
        (422, {"detail": {"loc": 3, "msg": "odd"}}, "status 422: odd"),
        (500, b"out of luck", "status 500: out of luck"),
        (502, b"<html><head><title>502 Bad Gateway</title><style>a{}</style></head><body>nginx</body></html>",
         "status 502: 502 Bad Gateway nginx"),
        (418, {"teapot": 1}, 'status 418: {"teapot": 1}'),
        (503, b"", "status 503"),
        (200, {"error": {"message": "upstream overloaded", "code": 502}}, "upstream overloaded"),
        (200, {"error": "no such model"}, "no such model"),
        (200, {"choices": [{"error": {"message": "gone", "code": 500}, "message": {"content": ""}}]}, "gone"),
        (200, {"choices": []}, "the answer holds no choices"),
        (200, {"choices": None, "promptFeedback": {"blockReason": "SAFETY"}}, "no choices: SAFETY"),
        (200, {"choices": [], "detail": "blocked"}, "no choices: blocked"),
        (200, {"choices": [{"message": None}]}, "holds no message"),
        (200, {"choices": [{"message": {"content": None}}]}, "neither content nor a finish reason"),
        (200, completion({"content": ""}, "abort"), "the server gave up its answer: finish_reason abort"),
        (200, completion({"content": "ye"}, "error"), "the server gave up its answer: finish_reason error"),
        (200, completion(None, "cancelled"), "finish_reason cancelled"),
        (200, {"choices": [{"text": "ye", "finish_reason": "abort"}]}, "finish_reason abort"),
        (200, completion({"content": ""}, "new"), "the answer is empty, and its finish_reason new is unknown"),
        (200, {"choices": [{"message": {"content": {"answer": 1}}}]}, "an object without text: {\"answer\": 1}"),
        (200, b"<!doctype html><title>Welcome</title>", "a web page: Welcome"),
        (200, b'{"choices": [{"mess', "not JSON"),
        (200, [1], "not a chat completion"),
    ],
)  # fmt: skip
def test_the_servers_words_are_kept(status, value, kept):
    assert kept in fault(status, value, location="https://h/v1").said


@pytest.mark.parametrize(
    ("status", "value", "headers", "again"),
    [
        *((s, {}, {}, True) for s in (408, 409, 425, 429, 500, 502, 503, 504, 529)),
        *((s, {}, {}, False) for s in (400, 401, 403, 404, 405, 413, 422, 501, 308)),
        (429, {"error": {"code": "insufficient_quota"}}, {}, False),
        (400, {}, {"x-should-retry": "true"}, True),
        (500, {}, {"x-should-retry": "false"}, False),
        (200, {"error": {"code": 502}}, {}, True),
        (200, {"error": {"code": "429"}}, {}, True),
        (200, {"error": {"type": "overloaded_error", "message": "x"}}, {}, True),
        (200, {"error": {"code": 400}}, {}, False),
        (200, {"error": "no"}, {}, False),
        (200, {"choices": []}, {}, True),
        (200, completion({"content": ""}, "abort"), {}, True),
        (200, completion({"content": "ye"}, "error"), {}, True),
        (200, completion({"content": ""}, "new"), {}, True),
        (200, b"<html>", {}, False),
        (200, b"cut {", {}, True),
    ],
)
def test_only_what_may_pass_is_asked_again(status, value, headers, again):
    assert fault(status, value, **headers).again is again


def test_retry_after():
    assert waiting({"retry-after": "2.5"}) == 2.5 and waiting({}) is None
    assert waiting({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, lambda: 90.0) == 10
    assert waiting({"retry-after": "soon"}) is None and waiting({"retry-after": "nan"}) is None
    assert fault(429, {}, **{"retry-after": "3"}).wait == 3


WORDS = """
    choices message content text type finish_reason usage error code reasoning_details detail msg loc metadata raw
    prompt_tokens completion_tokens_details thinking refusal
"""
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_no_shape_is_a_traceback(value, message):
    for one in (value, {"choices": [{"message": message, "finish_reason": "stop"}]}, {"choices": [value]}):
        try:
            found = reply(one)
        except Fault as e:
            assert e.said and "\n" not in e.said
        else:
            assert isinstance(answered(found.text), str)
    assert isinstance(words(value), str)
