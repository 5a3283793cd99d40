"""A small model server of the demo's own, which goes away and returns, and counts what reaches it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

_LOOPBACK = "127.0.0.1"
_MODEL = "tiny"
_CHAT = {"choices": [{"message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}]}
_MODELS = {"object": "list", "data": [{"id": _MODEL}]}
_AWAY = {"error": {"message": "the model is being moved"}}


class Endpoint:
    """It speaks OpenAI's protocol; `served` and `refused` are its calls while it was there, and was not."""

    def __init__(self) -> None:
        self._server = _Server((_LOOPBACK, 0), type("_OfEndpoint", (_Handler,), {"endpoint": self}))
        self._lock = Lock()
        self._is_away = False
        self.served = self.refused = 0

    @property
    def settings(self) -> dict[str, Any]:
        """Its entry in OMNINODE_MODELS."""
        return {"base_url": f"http://{_LOOPBACK}:{self._server.server_port}/v1", "model": _MODEL}

    def go_away(self) -> None:
        """From now on every call is answered with 503."""
        with self._lock:
            self._is_away = True

    def come_back(self) -> None:
        """Answer again."""
        with self._lock:
            self._is_away = False

    def answer(self, *, is_call: bool) -> tuple[int, dict[str, Any]]:
        """The status and the body of an answer; what is no call is not counted, as when health asks."""
        with self._lock:
            if is_call:
                self.served += not self._is_away
                self.refused += self._is_away
            if self._is_away:
                return 503, _AWAY
        return 200, _CHAT if is_call else _MODELS

    def run(self) -> None:
        """Serve until `close` is called."""
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving() -> Iterator[Endpoint]:
    """Serve on a free port of the loopback, in a thread that keeps no process alive."""
    endpoint = Endpoint()
    thread = Thread(target=endpoint.run, name="demo-model", daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(is_call=False)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(is_call=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
        """Say nothing: the report tells."""

    def _answer(self, *, is_call: bool) -> None:
        status, answer = self.endpoint.answer(is_call=is_call)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
