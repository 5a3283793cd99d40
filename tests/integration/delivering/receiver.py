"""A real HTTP server in this process that alerts are sent to: it answers as it is told to, and keeps them."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from standardwebhooks import Webhook

from orchestrator.settings import Settings

SECRET = "whsec_c2l4dGVlbi1ieXRlcy1vZi1zZWNyZXQtYW5kLW1vcmU="  # noqa: S105


@dataclass
class Receiver:
    """`answers` are the next statuses, 204 after them. While it `drips` it sends a byte now and then."""

    url: str = ""
    answers: deque[int] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    may_answer: Event = field(default_factory=Event)
    drips: bool = False
    is_over: Event = field(default_factory=Event)
    asked: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of each request that it has taken."""
        return [headers["webhook-id"] for _, headers, _ in self.requests]

    def told(self) -> list[tuple[str, str | None]]:
        """Kind and alert of each webhook that it has taken; their signatures are right."""
        found = [Webhook(SECRET).verify(body, headers) for _, headers, body in self.requests]
        return [(each["type"], each["data"]["name"]) for each in found]

    def posted(self) -> list[Any]:
        """What each request that it has taken says."""
        return [json.loads(body) for _, _, body in self.requests]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """One that runs until the end of the block."""
    receiver = Receiver()
    receiver.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.asked += 1
            receiver.may_answer.wait(60)
            status = receiver.answers.popleft() if receiver.answers else 204
            if status < 300:
                receiver.requests.append((self.path, dict(self.headers), body))
            with suppress(OSError):
                self._answer(status)

        def _answer(self, status: int) -> None:
            while receiver.drips and not receiver.is_over.wait(0.05):
                self.wfile.write(b"H")
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        receiver.url = "http://{}:{}/alerts".format(*server.server_address[:2])
        try:
            yield receiver
        finally:
            receiver.may_answer.set()
            receiver.is_over.set()
            server.shutdown()
            thread.join()


def to_webhook(redis_url: str, url: str, **others: Any) -> Settings:
    """Settings that send alerts there."""
    own = {"redis_url": redis_url, "alert_webhook_url": url, "alert_webhook_secret": SECRET}
    return Settings.model_validate(own | others)
