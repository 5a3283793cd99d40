"""What is answered at each address, and to whom; errors are sentences."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from http import HTTPStatus
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.web import Application, HTTPError, RequestHandler

from monitoring.exporter import page
from monitoring.exporter.access import Access
from monitoring.exporter.answers import Answers

_METHODS = ("GET", "HEAD")
# Longer than any scrape may take.
_SEND_SECONDS = 60.0
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_STYLE = base64.b64encode(hashlib.sha256(page.STYLE.encode()).digest()).decode()
_HEADERS = {
    "Server": "omninode",
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE}'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "This request cannot be understood.",
    HTTPStatus.UNAUTHORIZED: "Bring the token along: Authorization: Bearer <OMNINODE_EXPORTER_TOKEN>.",
    HTTPStatus.FORBIDDEN: "This exporter is asked by a loopback name only, such as localhost or 127.0.0.1.",
    HTTPStatus.NOT_FOUND: "There is nothing here; ask for /metrics, /health, /ready or /dashboard.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Nothing can be changed here: use GET or HEAD.",
}
_WENT_WRONG = "This could not be answered; the exporter's log says why."


def application(access: Access, answers: Answers) -> Application:
    """What answers; it logs nothing of what goes well."""
    given = {"access": access, "answers": answers}
    paths: list[tuple[str, type[_Handler]]] = [
        ("/", _Page),
        ("/metrics", _Metrics),
        ("/health", _Health),
        ("/ready", _Ready),
        ("/dashboard", _Dashboard),
    ]
    return Application(
        [(path, handler, given) for path, handler in paths],
        default_handler_class=_Nothing,
        default_handler_args=given,
        log_function=lambda _handler: None,
    )


class _Handler(RequestHandler):
    """One answer; a HEAD is one without its body."""

    is_open = False

    def initialize(self, access: Access, answers: Answers) -> None:
        self.access = access
        self.answers = answers

    def prepare(self) -> None:
        if not self.access.is_meant(self.request.headers.get("Host", "")):
            raise HTTPError(HTTPStatus.FORBIDDEN)
        if not self.is_open and not self.is_allowed():
            raise HTTPError(HTTPStatus.UNAUTHORIZED)
        if self.request.method not in _METHODS:
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)

    def is_allowed(self) -> bool:
        return self.access.is_allowed(self.request.headers.get("Authorization", ""))

    async def get(self) -> None:
        raise NotImplementedError

    async def head(self) -> None:
        await self.get()

    def say(self, body: str | bytes, media_type: str, status: int = HTTPStatus.OK) -> None:
        self.set_status(status)
        self.set_header("Content-Type", media_type)
        sent = self.finish(body)
        if not sent.done():
            asyncio.get_running_loop().call_later(_SEND_SECONDS, self._give_up, sent)

    def _give_up(self, sent: asyncio.Future[None]) -> None:
        """Keep no answer for somebody who does not take it."""
        if not sent.done() and isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.stream.close()

    def tell(self, figures: dict[str, Any], status: int = HTTPStatus.OK) -> None:
        text = json.dumps(figures, indent=2, ensure_ascii=False)
        # Half a surrogate pair cannot be sent to anybody.
        self.say(text.encode("utf-8", "backslashreplace"), "application/json; charset=utf-8", status)

    def set_default_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def compute_etag(self) -> None:
        """Figures are never those of the last time: to compare them is in vain."""

    def write_error(self, status_code: int, **_more: Any) -> None:
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Bearer realm="omninode"')
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(_METHODS))
        sentence = _SENTENCES.get(HTTPStatus(status_code), _WENT_WRONG)
        self.say(f"{sentence}\n", _TEXT, status_code)


class _Page(_Handler):
    async def get(self) -> None:
        self.say(page.html(), "text/html; charset=utf-8")


class _Metrics(_Handler):
    async def get(self) -> None:
        self.say(await self.answers.metrics(), _METRICS)


class _Health(_Handler):
    async def get(self) -> None:
        health = await self.answers.health()
        is_critical = health["status"] == "critical"
        self.tell(health, HTTPStatus.SERVICE_UNAVAILABLE if is_critical else HTTPStatus.OK)


class _Ready(_Handler):
    is_open = True

    async def get(self) -> None:
        trouble = await self.answers.trouble()
        if not trouble:
            self.say("ready\n", _TEXT)
            return
        # Where servers are is no stranger's business.
        why = f": {trouble}" if self.is_allowed() else "."
        self.say(f"The fleet's figures cannot be read{why}\n", _TEXT, HTTPStatus.SERVICE_UNAVAILABLE)


class _Dashboard(_Handler):
    async def get(self) -> None:
        dashboard = await self.answers.dashboard()
        self.tell(dashboard, HTTPStatus.SERVICE_UNAVAILABLE if "error" in dashboard else HTTPStatus.OK)


class _Nothing(_Handler):
    async def get(self) -> None:
        raise HTTPError(HTTPStatus.NOT_FOUND)
