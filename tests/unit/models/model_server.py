"""A server in this process that speaks OpenAI's protocol, well or badly."""

import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from orchestrator.settings import ModelEndpoint


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: Any


class Handler(BaseHTTPRequestHandler):
    """One request; `stopped` is set when the test is over, so that nothing hangs longer than that."""

    protocol_version = "HTTP/1.1"
    served: "ModelServer"

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _serve(self, body: Any) -> None:
        request = Request(self.path, dict(self.headers), body)
        self.served.requests.append(request)
        try:
            self.served.behaviour(self, request)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the test's output clean."""

    def wait_for_the_end(self, seconds: float = 60.0) -> None:
        self.served.stopped.wait(seconds)


Behaviour = Callable[[Handler, Request], None]


def answer(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with JSON, or with the bytes as they are."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()

    def behave(handler: Handler, _request: Request) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave in one way after the other, a request each."""
    rest = iter(behaviours)

    def behave(handler: Handler, request: Request) -> None:
        next(rest)(handler, request)

    return behave


def embeddings(vectors: list[list[float]], usage: Any = None) -> dict[str, Any]:
    """An answer of /embeddings."""
    data = [{"object": "embedding", "index": index, "embedding": v} for index, v in enumerate(vectors)]
    return {"object": "list", "data": data, "usage": usage}


def completion(text: Any, usage: Any = None, finish_reason: Any = "stop") -> dict[str, Any]:
    """An answer of /chat/completions."""
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": usage}


def hang(handler: Handler, _request: Request) -> None:
    """Say nothing."""
    handler.wait_for_the_end()
    handler.close_connection = True


def reset(handler: Handler, _request: Request) -> None:
    """Break the connection off."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def dribble_headers(handler: Handler, _request: Request) -> None:
    """Send the head of an answer byte by byte, without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _dribble(handler)


def dribble_body(handler: Handler, _request: Request) -> None:
    """Send the body of an answer byte by byte, without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    _dribble(handler)


def _dribble(handler: Handler) -> None:
    while not handler.served.stopped.wait(0.02):
        handler.wfile.write(b" ")
    handler.close_connection = True


@dataclass
class ModelServer:
    """`behaviour` may be changed at any time; `requests` are those that came so far."""

    url: str
    behaviour: Behaviour = hang
    requests: list[Request] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)

    def endpoint(self, **changes: Any) -> ModelEndpoint:
        """Its entry in OMNINODE_MODELS, with time limits of a test."""
        wanted = {
            "base_url": f"{self.url}/v1",
            "model": "tiny",
            "api_key": "sk-very-secret",
            "connect_timeout_seconds": 2.0,
            "read_timeout_seconds": 1.0,
        }
        return ModelEndpoint.model_validate(wanted | changes)


@contextmanager
def serve() -> Iterator[ModelServer]:
    """Run a server on a free port of the loopback."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.block_on_close = False
    server = ModelServer(f"http://127.0.0.1:{http.server_port}")
    http.RequestHandlerClass = type("ServedHandler", (Handler,), {"served": server})
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        http.shutdown()
        thread.join()
        http.server_close()
