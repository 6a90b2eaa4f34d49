"""The site as a local server shows it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from harness.cli import main
from harness.core.errors import HarnessError
from harness.leaderboard import serve
from harness.leaderboard.build import build
from harness.leaderboard.pictures import Private
from tests.leaderboard.made import run


def test_private_pictures_are_served_and_never_written(workdir):
    """Own records: a site leaves their pictures and prompts out."""
    Path("own").mkdir()
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(f"own/{i}.png")
    row = {"category": "random", "question": "Is there a dog in the image?", "label": "yes"}
    lines = [json.dumps({**row, "question_id": i, "image": f"{i}.png"}) for i in range(3)]
    Path("own/questions.jsonl").write_text("\n".join(lines))
    words = ["task=pope", "task.data=local", "task.root=own/questions.jsonl", "task.images=own", "task.splits=[random]"]
    assert main(["eval", *words, "model=oracle", "logger=quiet"]) == 0
    build(Path("results"), Path("out"))
    assert not Path("out/pictures").exists() and not list(Path("out").rglob("seen"))
    private = Private()
    build(Path("results"), Path("out"), private=private)
    assert not Path("out/pictures").exists() and not Path("out/private").exists()
    (page,) = Path("out/data/boards").glob("*/0.json")
    links = [files[0] for *_, files in json.loads(page.read_text())]
    assert [private.read(link) for link in links] == [
        ("image/png", Path(f"own/{i}.png").read_bytes()) for i in range(3)
    ]
    assert (
        private.read("private/3") is None and private.read("private/x") is None and private.read("index.html") is None
    )
    handler = type("H", (serve.Handler,), {"made": staticmethod(private.read)})
    with serve.server(Path("out"), 0, handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{made.server_port}"
        with urllib.request.urlopen(f"{address}/{links[1]}") as answer:
            assert answer.headers["Content-Type"] == "image/png" and answer.read() == Path("own/1.png").read_bytes()
        with urllib.request.urlopen(f"{address}/sample.html") as answer:
            assert answer.headers["Content-Security-Policy"]
        elsewhere = urllib.request.Request(f"{address}/{links[1]}", headers={"Host": "evil.example:80"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(elsewhere)
        made.shutdown()


def test_a_browser_that_leaves_early_is_no_news(tmp_path, capsys, monkeypatch):
    """Another failure of the server is still told."""
    failures: list[Exception] = [BrokenPipeError(), ConnectionResetError(), ValueError("a fault of ours")]
    ended, closed = threading.Semaphore(0), serve.Server.shutdown_request

    def fail(path):
        raise failures[int(path)]

    monkeypatch.setattr(serve.Server, "shutdown_request", lambda *given: (closed(*given), ended.release()))
    with serve.server(tmp_path, 0, type("H", (serve.Handler,), {"made": staticmethod(fail)})) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        for n in range(3):
            with socket.create_connection(("127.0.0.1", made.server_port)) as asking:
                asking.sendall(f"GET /{n} HTTP/1.0\r\n\r\n".encode())
                assert ended.acquire(timeout=60)
        made.shutdown()
    said = capsys.readouterr().err
    assert said.count("Traceback") == 1 and "a fault of ours" in said


def test_private_pictures_go_with_serve_alone(workdir, capsys):
    assert main(["site", "build", "--private-pictures"]) == 2
    assert "--private-pictures goes with harness site serve" in capsys.readouterr().err


def test_serve_rebuilds_when_results_change(workdir):
    run(Path("results"), "vanilla", 0.5)
    assert main(["ingest"]) == 0
    words = [sys.executable, "-m", "harness", "site", "serve", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        watch = threading.Timer(120, process.kill)
        watch.start()
        try:
            address = next(line.split()[0] for line in process.stdout if line.startswith("http"))
            with urllib.request.urlopen(address) as answer:
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert b"vista" not in answer.read()
            run(Path("results"), "vista", 0.7)
            assert main(["ingest"]) == 0
            assert "2 runs" in next(line for line in process.stdout if "runs" in line)
            with urllib.request.urlopen(address) as answer:
                assert b"vista" in answer.read()
        finally:
            watch.cancel()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def test_a_preview_that_could_not_be_rebuilt_is_tried_again(tmp_path, monkeypatch, capsys):
    """The store is locked at two looks; the third one shows what came meanwhile."""
    monkeypatch.setattr(serve, "PAUSE", 0.01)
    monkeypatch.setattr(serve, "_state", lambda _, looks=iter(range(2)): next(looks, 1))
    tries: list[int] = []

    def rebuild() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise HarnessError("the store is in use")
        raise KeyboardInterrupt

    serve.serve(tmp_path, tmp_path, 0, rebuild)
    assert tries == [0, 1, 2] and capsys.readouterr().out.count("not rebuilt: the store is in use") == 1


def test_a_taken_port_is_one_line(workdir, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["site", "serve", "--port", str(port)]) == 2
    assert f"--port {port} cannot be used" in capsys.readouterr().err
