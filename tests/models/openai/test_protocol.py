"""What is asked of a server besides chats, and what it is asked to leave alone."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from harness.core import Call, Decoding, Message, Picture, Reply, Request, UsageError, user
from harness.core.errors import HarnessError
from harness.core.types import Finish
from harness.models.openai.schema import Schema
from tests.engine.toys import Sums
from tests.models.openai.local import described, local_model, said, serving

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

GREEDY, DRAWN = Decoding(), Decoding("nucleus", temperature=0.7, top_p=0.9, top_k=20)


@pytest.fixture(autouse=True)
def keyless(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def asked(request: Request, served, decoding: Decoding = GREEDY, **settings) -> Reply:
    """One answer of a loaded model."""
    (sample, *_) = Sums(1).samples()
    server = local_model(served, **settings)
    server.load([])
    try:
        (found,) = server.answer([Call(request, sample, 3)], decoding)
    finally:
        server.close()
    return found


def text(words: str, finish: Finish = "stop", tokens: int = 1):
    usage = {"prompt_tokens": 4, "completion_tokens": tokens}
    return 200, {"choices": [{"index": 0, "text": words, "finish_reason": finish}], "usage": usage}


def test_a_plain_text_goes_to_completions_and_keeps_its_blanks():
    with serving(lambda body, n: text(" 4\n5")) as served:
        found = asked(Request(user("2 + ", "2 ="), 8, stop=("\n",), plain=True), served)
    assert served.paths == ["/v1/completions"] and served.bodies[0]["prompt"] == "2 + 2 ="
    assert "messages" not in served.bodies[0] and served.bodies[0]["stop"] == ["\n"]
    assert found.text == " 4"  # a server that does not know `stop` gives what in process is cut


def test_a_plain_text_shows_no_pictures():
    with serving(lambda body, n: text("x")) as served, pytest.raises(UsageError, match="takes text alone"):
        asked(Request(user(Picture(b"x"), "What?"), 8, plain=True), served)


def test_blanks_around_an_answer_are_taken_off_as_in_process():
    with serving(lambda body, n: said(" Yes\n ")) as served:
        assert asked(Request(user("?"), 8), served).text == "Yes\n"


@pytest.mark.parametrize("send", [True, False])
def test_stop_strings_may_be_kept_from_a_server(send):
    with serving(lambda body, n: said("a. b")) as served:
        found = asked(Request(user("?"), 8, stop=(".",)), served, send_stop=send)
    assert ("stop" in served.bodies[0]) is send and found.text == "a"


BEGUN = Request((*user("Name a colour."), Message("assistant", ("The colour is",))), 8)


def test_a_begun_answer_is_continued_where_the_server_says_that_it_does():
    schema = described(chat=["messages", "continue_final_message"])
    with serving(lambda body, n: said(" red"), schema=schema) as served:
        assert asked(BEGUN, served).text == "red"
    assert served.bodies[0]["continue_final_message"] is True and served.bodies[0]["add_generation_prompt"] is False


def test_a_begun_answer_is_refused_elsewhere_unless_the_user_knows_better():
    with serving(lambda body, n: said(" red")) as served:
        with pytest.raises(UsageError, match="does not say that it can continue"):
            asked(BEGUN, served)
        assert not served.bodies
        assert asked(BEGUN, served, extra={"continue_final_message": True}).text == "red"


def test_penalties_that_a_server_adds_are_sent_as_none():
    schema = described(chat=["repeat_penalty", "repetition_penalty", "min_p", "top_k"], text=["repeat_penalty"])
    with serving(lambda body, n: said("x", usage={"completion_tokens": 1}), schema=schema) as served:
        asked(Request(user("?"), 1), served)
        asked(Request(user("?"), 1), served, DRAWN)
        asked(Request(user("?"), 1), served, extra={"repeat_penalty": 1.3})
        asked(Request(user("?"), 1, plain=True), served)
    greedy, drawn, own, plain = served.bodies
    assert (greedy["repeat_penalty"], greedy["repetition_penalty"]) == (1.0, 1.0) and "min_p" not in greedy
    assert (drawn["min_p"], drawn["top_k"], drawn["top_p"]) == (0.0, 20, 0.9)
    assert own["repeat_penalty"] == 1.3
    assert plain["repeat_penalty"] == 1.0 and "repetition_penalty" not in plain


def test_a_server_that_describes_nothing_gets_no_field_that_openai_has_not():
    with serving(lambda body, n: said("x")) as served:
        asked(Request(user("?"), 9), served)
    assert served.bodies[0].keys() == {"model", "messages", "max_tokens", "temperature"}


@pytest.mark.parametrize("document", [None, [], {"paths": 3}, {"paths": {"/v1/completions": {"post": []}}}])
def test_any_document_is_read(document):
    assert not Schema.of(document).fields


def test_references_in_a_circle_end():
    schema = {"$ref": "#/a", "anyOf": [{"properties": {"x": 1}}]}
    post = {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/a"}}}}}}
    assert Schema.of({"paths": {"/v1/completions": post}, "a": schema}).takes("/completions", "x")


def writes(text: str, tokens: int, *, end: int):
    """A server that writes a text of so many tokens, counts `end` more for its end, and keeps to the limit."""

    def answer(body, n):
        most, words = body["max_tokens"], text.split()
        whole = len(words) + 1 <= most
        used = len(words) + end if whole else min(most, len(words))
        kept = " ".join(words[:most])
        usage = {"prompt_tokens": 4, "completion_tokens": used}
        return said(kept, "stop" if whole else "length", usage=usage)

    assert tokens == len(text.split())
    return answer


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("words", ["Yes", "a red car"])
def test_tokens_are_counted_as_in_process_whether_or_not_the_server_counts_the_end(words, end):
    tokens = len(words.split())
    with serving(writes(words, tokens, end=end)) as served:
        assert asked(Request(user("?"), 16), served).new_tokens == tokens
        assert len(served.bodies) <= 2
        assert asked(Request(user("?"), tokens), served).new_tokens == tokens  # cut at the limit: nothing is taken off


@pytest.mark.parametrize("end", [0, 1])
def test_a_picture_is_not_sent_again_to_find_out(end):
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, "PNG")
    with serving(writes("a red car", 3, end=end)) as served:
        assert asked(Request(user(Picture(made.getvalue()), "?"), 16), served).new_tokens == 3
        assert [("image_url" in json.dumps(body)) for body in served.bodies] == [True, False, False]


VOCABULARY = {"The": -1.0, " cat": -2.0, " sat": -3.0, " on": -4.0, " the": -0.5, " mat": -0.25, ".": -0.125}


def reader(*, shift: int = 0, bos: bool = False, silent: bool = False):
    """A server whose tokens are words; each has a fixed log-probability. `shift`: says those of its neighbours."""

    def split(words: str) -> list[str]:
        found: list[str] = []
        while words:
            token = next((v for v in sorted(VOCABULARY, key=len, reverse=True) if words.startswith(v)), words[0])
            found.append(token)
            words = words[len(token) :]
        return found

    def answer(body, n):
        assert body["temperature"] == 0
        prompt = split(body["prompt"])
        new = ["." if prompt[-1] == " mat" else " mat"]
        shown = (prompt if body.get("echo") else []) + new
        each = [VOCABULARY.get(t, -9.0) for t in shown]
        if shift and body.get("echo"):
            each = [*each[shift:], *each[:shift]]
        logprobs = [None, *each[1:]] if body.get("echo") and not bos else each
        top = [None if p is None else {t: p, "other": -2.5} for t, p in zip(shown, logprobs, strict=True)]
        told = {"tokens": shown, "token_logprobs": logprobs, "top_logprobs": top}
        told = {"logprobs": told} if body.get("logprobs") and not silent else {}
        usage = {"prompt_tokens": len(prompt) + bos, "completion_tokens": 1}
        choice = {"index": 0, "text": "".join(shown), "finish_reason": "length", **told}
        return 200, {"choices": [choice], "usage": usage}

    return answer


def test_likelihoods_are_read_from_an_echo():
    request = Request(user("The cat "), 1, plain=True, continuations=("sat", "sat on the", "the mat."))
    with serving(reader()) as served:
        found = asked(request, served)
    assert set(served.paths) == {"/v1/completions"}
    assert [tuple(one) for one in found.likelihoods] == [(-3.0, False, 1), (-7.5, False, 3), (-0.875, True, 3)]
    assert (found.prompt_tokens, found.new_tokens) == (2, 7)


def test_a_text_without_context_needs_a_server_that_predicts_its_first_token():
    request = Request(user(""), 1, plain=True, continuations=("The cat",))
    with serving(reader(bos=True)) as served:
        assert tuple(asked(request, served).likelihoods[0]) == (-3.0, True, 2)
    with serving(reader()) as served, pytest.raises(UsageError, match="predicts no first token"):
        asked(request, served)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (reader(shift=1), "when it reads it"),
        (reader(silent=True), "holds no logprobs"),
        (lambda body, n: (404, {"detail": "Not Found"}), "Not Found"),
        (lambda body, n: text("x"), "holds no logprobs"),
    ],
)
def test_likelihoods_that_cannot_be_relied_upon_are_refused(server, reason):
    request = Request(user("The cat"), 1, plain=True, continuations=(" sat",))
    with serving(server) as served, pytest.raises(HarnessError, match=reason):
        asked(request, served)


def test_likelihoods_behind_a_chat_template_are_refused():
    with serving(reader()) as served, pytest.raises(UsageError, match="after a chat template"):
        asked(Request(user("The cat"), 1, continuations=(" sat",)), served)
