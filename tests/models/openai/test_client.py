"""The way to a server: keys, proxies, certificates, and a first look at it, each fault in one line."""

from __future__ import annotations

import socket

import pytest

from tests.models.openai.local import local_model, play, record, said, serving

pytest.importorskip("httpx")
pytest.importorskip("tenacity")

from harness.models.openai.replies import Fault, reply


@pytest.fixture(autouse=True)
def plain(monkeypatch, workdir):
    for name in ("OPENAI_API_KEY", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def one_line(capsys) -> str:
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1, err
    return err


def dead() -> str:
    """An address where nothing listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/v1"


@pytest.mark.parametrize("key", ["“sk-made-up-4242”", "sk-made-up\n-4242", "sk-made-up-4242é", '"sk-made-up-4242"'])
def test_a_key_that_cannot_be_one_is_refused_unseen(key, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with serving(lambda body, n: said("Yes")) as served:
        assert play(served) == 2
    err = one_line(capsys)
    assert "the key in OPENAI_API_KEY contains" in err and "made-up" not in err and not served.bodies


def test_blanks_around_a_key_are_taken_off(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", " sk-made-up-4242\n")
    with serving(lambda body, n: said("Yes")) as served:
        assert play(served) == 0
    assert {h["authorization"] for h in served.headers} == {"Bearer sk-made-up-4242"}


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("ALL_PROXY", "socks5://me:made-up-4242@127.0.0.1:1", "pip install 'httpx[socks]', or unset ALL_PROXY"),
        ("HTTP_PROXY", "ftp://me:made-up-4242@127.0.0.1:1", "the proxy in HTTP_PROXY is not usable"),
        ("HTTP_PROXY", "http://me:made-up-4242@127.0.0.1:1", "through the proxy in HTTP_PROXY"),
        ("NO_PROXY", "[::1", "NO_PROXY=[::1 is not usable"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE=/nowhere/ca.pem"),
        ("SSL_CERT_FILE", __file__, "cannot be read as certificates"),
    ],
)
def test_proxies_and_certificates(name, value, fix, monkeypatch, capsys):
    if fix.startswith("pip"):
        monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up-0123")
    assert play(dead()) in (2, 3)
    err = one_line(capsys)
    assert fix in err and "made-up" not in err


def test_a_server_without_tls(capsys):
    with serving(lambda body, n: said("Yes")) as served:
        assert play(served.address.replace("http:", "https:")) == 3
    assert "give model.base_url=http://" in one_line(capsys)


def test_a_dead_port_is_said_at_once(capsys):
    address = dead()
    assert play(address, "model.retries=6", "model.backoff=1") == 3
    assert f"{address} cannot be reached" in one_line(capsys)
    assert record()["status"] == "interrupted"


LISTED = (200, {"object": "list", "data": [{"id": "right"}, {"id": "other"}]})


def test_a_wrong_name_is_said_with_the_right_ones(capsys):
    missing = (404, {"error": {"message": "The model `m` does not exist."}})
    with serving(lambda body, n: missing, models=LISTED) as served:
        assert play(served) == 3
    err = one_line(capsys)
    assert "has no model m" in err and "give model.name=right, or one of other" in err and "does not exist" in err


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/ok/v1/chat/completions", "{root}/ok/v1/chat/completions: give model.base_url={root}/ok/v1"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions: give model.base_url=https://h/v1"),
        ("/login?next=/v1", "{root}/login?next=/v1, which answers no such request: correct model.base_url"),
        ("/v1/chat/completions", "which answers no such request: correct model.base_url"),
        ("", "it redirects to nowhere: correct model.base_url"),
    ],
)
def test_a_redirect_names_an_address_that_can_be_given(status, location, said):
    headers = {"Location": location} if location else {}
    with serving(lambda body, n: (status, b"", headers)) as served:
        model = local_model(served)
        model.load([])
        with pytest.raises(Fault) as fault:
            model._client.ask("/chat/completions", {}, reply)
        model.close()
    assert said.format(root=served.address.removesuffix("/v1")) in fault.value.said and not fault.value.again


NONE = ((200, []), (200, {"data": None}), (404, b""), (401, b""), (200, b"<html>"), (200, b"[" * 100_000))


@pytest.mark.parametrize("models", [LISTED, *NONE])
def test_servers_that_take_any_name_or_list_none(models):
    with serving(lambda body, n: said("Yes"), models=models) as served:
        assert play(served) == 0
