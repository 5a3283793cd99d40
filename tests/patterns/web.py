"""A small HTTP server in this process: what is called over a network in the document's samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import httpx2


@dataclass
class Web:
    """It answers with 503 as often as it is told to, and hangs while it is told to; `calls` counts."""

    url: str = ""
    calls: int = 0
    failures: int = 0
    answers: Event = field(default_factory=Event)

    async def call(self, *sent: Any) -> str:
        """Ask it something.

        Raises:
            HTTPStatusError: it has failed.
        """
        # What is slow to make is for encryption alone.
        async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
            answer = await client.post(self.url, json=list(sent))
        return answer.raise_for_status().text


@contextmanager
def serving() -> Iterator[Web]:
    """One that runs until the end of the block."""
    web = Web()
    web.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            web.calls += 1
            web.answers.wait(60)
            failed = web.calls <= web.failures
            self.send_response(503 if failed else 200)
            self.end_headers()
            self.wfile.write(b"" if failed else sent)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        web.url = "http://{}:{}/".format(*server.server_address[:2])
        try:
            yield web
        finally:
            web.answers.set()
            server.shutdown()
            thread.join()
