"""The hub's HTTP interface on loopback, as far as uploads and one file's download use it: repositories in memory.

Parquet files go by LFS, all others inside of the commit, as on the hub. Writers need the token.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_" + "w" * 30
COMMIT = "a" * 40


@dataclass
class Hub:
    """`files` of each repository ("datasets/me/results", "me/model"), and of its pull requests."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    proposed: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_HEAD(self) -> None:
            self._file()

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/api/"):
                repo = self._repo(path)
                names = hub.files.get(repo)
                if names is None:
                    self._missing("RepoNotFound")
                elif "/tree/" in path:
                    self._send(200, [{"type": "file", "path": n, "size": len(b), "oid": "0"} for n, b in names.items()])
                else:
                    self._send(200, {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": n} for n in names]})
            else:
                self._file()

        def _file(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            repo, _, rest = unquote(urlsplit(self.path).path)[1:].partition("/resolve/")
            data = hub.files.get(repo, {}).get(rest.partition("/")[2])
            if data is None:
                self._missing("EntryNotFound" if repo in hub.files else "RepoNotFound")
                return
            headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self._raw(200, data, headers)

        def do_PUT(self) -> None:
            data = self._body()
            hub.objects[self.path.rpartition("/")[2]] = data
            self._send(200, {})

        def do_POST(self) -> None:
            url, body = urlsplit(self.path), self._body()
            hub.asked.append(f"POST {self.path}")
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                self._send(401, {"error": "Invalid username or password."})
            elif url.path == "/api/repos/create":
                made = json.loads(body)
                repo = f"{made.get('organization') or 'me'}/{made['name']}"
                repo = f"datasets/{repo}" if made.get("type") == "dataset" else repo
                hub.private[repo] = bool(made.get("private"))
                hub.files.setdefault(repo, {})
                self._send(200, {"url": f"{hub.address}/{repo}", "id": "0"})
            elif url.path == "/api/validate-yaml":
                head = json.loads(body)["content"].split("---\n")[1]
                fault = [] if isinstance(yaml.safe_load(head), dict) else [{"message": "metadata are no mapping"}]
                self._send(400 if fault else 200, {"errors": fault, "warnings": []})
            elif "/preupload/" in url.path:
                names = [f["path"] for f in json.loads(body)["files"]]
                mode = {True: "lfs", False: "regular"}
                files = [{"path": n, "uploadMode": mode[n.endswith(".parquet")], "shouldIgnore": False} for n in names]
                self._send(200, {"files": files})
            elif url.path.endswith("/info/lfs/objects/batch"):
                wanted = json.loads(body)["objects"]
                links = [{**o, "actions": {"upload": {"href": f"{hub.address}/lfs/{o['oid']}"}}} for o in wanted]
                self._send(200, {"transfer": "basic", "objects": links})
            elif "/commit/" in url.path:
                self._commit(self._repo(url.path), [json.loads(line) for line in body.splitlines()], url.query)
            else:
                self._send(404, {"error": f"POST {url.path}"})

        def _commit(self, repo: str, lines: list[dict[str, Any]], query: str) -> None:
            held = hub.proposed.setdefault(repo, {}) if "create_pr=1" in query else hub.files[repo]
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    held[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    held[value["path"]] = hub.objects[value["oid"]]
                    assert hashlib.sha256(held[value["path"]]).hexdigest() == value["oid"]
                elif line["key"] == "deletedFile":
                    held.pop(value["path"])
            address = f"{hub.address}/{repo}"
            pull = {"pullRequestUrl": f"{address}/discussions/1"} if "create_pr=1" in query else {}
            self._send(200, {"commitUrl": f"{address}/commit/{COMMIT}", "commitOid": COMMIT, **pull})

        def _repo(self, path: str) -> str:
            kind, *name = path.removeprefix("/api/").split("/")[:3]
            return "/".join(name) if kind == "models" else f"{kind}/{'/'.join(name)}"

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        def _missing(self, code: str) -> None:
            self._raw(404, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

        def _send(self, status: int, value: Any) -> None:
            self._raw(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _raw(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
