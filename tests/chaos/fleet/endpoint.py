"""An HTTP endpoint that a test turns off and on, and which notes every request that reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

# How long an answer takes.
_THINKING_SECONDS = 0.01


@dataclass(frozen=True)
class Asked:
    """One request: when it came, by the monotonic clock, for which task, and how it was answered."""

    at: float
    number: int
    retries: int
    worker: int
    served: bool


@dataclass
class Endpoint:
    """The running server."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    is_up: bool = True
    off_at: float = 0.0
    on_at: float = 0.0
    while_away: Callable[[Asked], None] | None = None
    """Called in the request's thread before it is refused."""

    def turn_off(self) -> None:
        """From now on every answer is 503."""
        self.off_at = time.monotonic()
        self.is_up = False

    def turn_on(self) -> None:
        """Serve again."""
        self.on_at = time.monotonic()
        self.is_up = True

    @property
    def served(self) -> list[Asked]:
        """The requests that were answered well."""
        return [asked for asked in list(self.asked) if asked.served]

    @property
    def refused(self) -> list[Asked]:
        """The others."""
        return [asked for asked in list(self.asked) if not asked.served]


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """Serve on a free port of the loopback, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
            number = int(parts.path[1:])
            asked = Asked(time.monotonic(), number, query["retries"], query["worker"], state.is_up)
            state.asked.append(asked)
            if not asked.served and state.while_away:
                state.while_away(asked)
            Event().wait(_THINKING_SECONDS)
            self.send_response(200 if asked.served else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that was killed is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    state = Endpoint(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
