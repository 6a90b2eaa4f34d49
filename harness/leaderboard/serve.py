"""Pages on this machine only: a preview that is rebuilt when results change."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.core.errors import HarnessError, UsageError
from harness.core.sinks import line
from harness.leaderboard.pictures import Private
from harness.leaderboard.render import POLICY, source
from harness.store.database import database

PAUSE = 2.0
"""Seconds between looks at the store and the templates."""


class Handler(SimpleHTTPRequestHandler):
    """Files below one folder, never cached, with the policy also sent as a header; and what `made` answers."""

    made: Callable[[str], tuple[str, bytes] | None] = staticmethod(lambda _: None)
    """(MIME type, bytes) by the path of an address without its first slash; None: look for a file."""

    def do_GET(self) -> None:
        if not self._own_host():
            self.send_error(HTTPStatus.FORBIDDEN, "this server answers to its own address only")
            return
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        found = self.made(path)
        if found is None:
            super().do_GET()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", found[0])
        self.send_header("Content-Length", str(len(found[1])))
        self.end_headers()
        self.wfile.write(found[1])

    def _own_host(self) -> bool:
        """Whether it was asked for by this machine's name, so that no page of elsewhere reads what lies here."""
        name = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        return name in ("", "127.0.0.1", "localhost", "[::1]")

    def end_headers(self) -> None:
        kept = self.path.startswith("/private/")  # a picture's address belongs to one picture
        self.send_header("Cache-Control", "private, max-age=3600" if kept else "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


Handler.extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript", ".webp": "image/webp"}


class Server(ThreadingHTTPServer):
    """Quiet where a browser closes a connection before it has read the answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int, handler: type[Handler] = Handler) -> Server:
    """Bound to 127.0.0.1. Raises UsageError if the port is taken, or is none."""
    try:
        return Server(("127.0.0.1", port), partial(handler, directory=str(folder)))
    except (OSError, OverflowError) as e:
        why = e.strerror if isinstance(e, OSError) else "it must lie in 0..65535"
        raise UsageError(f"--port {port} cannot be used ({why}): choose another one, or 0") from e


def until_interrupted(
    folder: Path, port: int, made: Callable[[str], tuple[str, bytes] | None], told: Callable[[str], None]
) -> None:
    """Serve a folder and what `made` answers; `told` hears the address."""
    with server(folder, port, type("MadeHandler", (Handler,), {"made": staticmethod(made)})) as serving:
        told(f"http://127.0.0.1:{serving.server_port}/")
        with suppress(KeyboardInterrupt):
            serving.serve_forever()


def serve(folder: Path, results: Path, port: int, rebuild: Callable[[], None], private: Private | None = None) -> None:
    """Until interrupted. `private`: where pictures are that the folder does not hold."""
    handler = type("PrivateHandler", (Handler,), {"made": staticmethod(private.read)}) if private else Handler
    with server(folder, port, handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        seen, wait, told = _state(results), threading.Event(), ""  # before anybody is told the address
        print(f"http://127.0.0.1:{made.server_port}/  (Ctrl-C ends it)", flush=True)  # noqa: T201
        try:
            while not wait.wait(PAUSE):
                if (now := _state(results)) == seen:
                    continue
                try:
                    rebuild()
                    seen, told = now, ""
                except HarnessError as e:  # a half-written store must not end the preview: it is tried again
                    if str(e) != told:
                        print(line(f"not rebuilt: {e}"), flush=True)  # noqa: T201
                    told = str(e)
        except KeyboardInterrupt:
            pass
        finally:
            made.shutdown()


def _state(results: Path) -> list[tuple[str, int]]:
    paths = [database(results), *sorted(p for p in source().rglob("*") if p.is_file())]
    return [(str(p), p.stat().st_mtime_ns) for p in paths if p.exists()]
