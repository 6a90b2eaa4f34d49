"""A chat server of its own process on loopback: tiny-llava behind the OpenAI protocol, with faults on request.

    python -m tests.models.chat_server PORT_FILE [FAULT ...]

Faults are taken from the list one per request, in order: 429, 500, cut, slow, garbage, empty, 400, date. The list of
what was asked (headers without the key, bodies without pictures) is served at /log.
"""

from __future__ import annotations

import base64
import email.utils
import io
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "secret-key-of-the-test"


class Tiny:
    """The embedded model by plain transformers, one request at a time."""

    def __init__(self) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from harness.embedded.tiny_llava import WEIGHTS

        self.processor = AutoProcessor.from_pretrained(WEIGHTS)
        self.model = AutoModelForImageTextToText.from_pretrained(WEIGHTS, dtype="float32")
        self.lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> tuple[str, int, int]:
        from PIL import Image

        chat, images = [], []
        for message in body["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for i, part in enumerate(parts):
                if part["type"] == "image_url":
                    data = base64.b64decode(part["image_url"]["url"].split(",", 1)[1])
                    images.append(Image.open(io.BytesIO(data)).convert("RGB"))
                    parts[i] = {"type": "image"}
            chat.append({"role": message["role"], "content": parts})
        text = self.processor.apply_chat_template(chat, add_generation_prompt=True)
        with self.lock:
            inputs = self.processor(images=images or None, text=text, return_tensors="pt", add_special_tokens=False)
            out = self.model.generate(**inputs, max_new_tokens=body["max_tokens"], do_sample=False)
        new = out[0, inputs["input_ids"].shape[1] :]
        return self.processor.decode(new, skip_special_tokens=True).strip(), inputs["input_ids"].shape[1], len(new)


def main() -> None:
    port_file, *faults = sys.argv[1:]
    model, log, lock = Tiny(), [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self._send(200, log)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                fault = faults.pop(0) if faults else ""
                kept = {k: v for k, v in body.items() if k != "messages"}
                key = "right" if self.headers.get("authorization") == f"Bearer {KEY}" else "none"
                log.append({"time": time.monotonic(), "fault": fault, "key": key, **kept})
            if fault == "401":
                self._send(401, {"error": {"message": "no"}})
            elif fault == "429":
                self._send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.2"})
            elif fault == "date":
                when = email.utils.formatdate(time.time() + 1, usegmt=True)
                self._send(503, {"error": "busy"}, {"Retry-After": when})
            elif fault in ("400", "500"):
                self._send(int(fault), {"error": {"message": f"fault {fault}\nsecond line"}})
            elif fault == "cut":
                self.connection.close()
            elif fault == "garbage":
                self._raw(200, b'{"choices": [{"mess')
            elif fault == "empty":
                self._send(200, {"choices": []})
            else:
                if fault == "slow":
                    time.sleep(4)
                text, prompt, new = model(body)
                message = {"role": "assistant", "content": text}
                usage = {"prompt_tokens": prompt, "completion_tokens": new}
                self._send(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

        def _send(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
            self._raw(status, json.dumps(value).encode(), headers)

        def _raw(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    temporary = Path(f"{port_file}.tmp")
    temporary.write_text(str(server.server_address[1]))
    temporary.replace(port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
