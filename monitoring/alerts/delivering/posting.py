"""Posts over HTTP, within a time limit, and reads from the answer whether it was taken."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2

from monitoring.alerts.delivering.answer import TAKEN, Answer
from orchestrator import redaction
from orchestrator.retry import healing

_TIMEOUT = httpx2.Timeout(4.0, connect=3.0)
_CLIENT_ERRORS = range(400, 500)
# Of the address or the credentials: what is sent next fares no better, until somebody mends these.
_OF_THE_DOOR = {401, 403, 404, 405, 407}
_is_posting: ContextVar[bool] = ContextVar("omninode_is_posting", default=False)


class _Secretive(logging.Filter):
    """Keeps the client's own lines about our requests, with the whole address, out of the log."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        """Whether it may be logged."""
        return not _is_posting.get()


_SECRETIVE = _Secretive()


class Poster:
    """A client of one address, which keeps its connection while a round lasts. Redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Only the host is shown: what gives leave to send there is often a part of the path.
        self.shown = f"{urlsplit(url).scheme}://{urlsplit(url).hostname}"
        # A scheme may be written in capitals, too.
        self._is_encrypted = urlsplit(url).scheme == "https"
        self._client: httpx2.Client | None = None

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send it, and say what became of it; raises nothing."""
        before = _is_posting.set(True)
        try:
            with self._opened().stream("POST", self._url, content=body, headers=headers or {}) as response:
                return self._read(response)
        except Exception as error:
            # Also what httpx2 raises of an address that only a connection shows to be none, or when closed.
            words = redaction.text(str(error)) or type(error).__name__
            return Answer("away", f"{self.shown} does not answer: {words}")
        finally:
            _is_posting.reset(before)

    def close(self) -> None:
        """Let go of the connection; a request that is under way fails."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> httpx2.Client:
        # Most rounds have nothing to send, and it is slow to make.
        if self._client is None:
            logging.getLogger("httpx2").addFilter(_SECRETIVE)
            self._client = httpx2.Client(
                timeout=_TIMEOUT,
                # What is slow in it is for encryption alone.
                verify=self._is_encrypted,
                follow_redirects=False,
                headers={"User-Agent": "omninode", "Content-Type": "application/json"},
            )
        return self._client

    def _read(self, response: httpx2.Response) -> Answer:
        status = response.status_code
        if response.is_success:
            return TAKEN
        sentence = f"{self.shown} answered with {status} {response.reason_phrase}".rstrip()
        if status in _CLIENT_ERRORS and not _can_heal(status):
            return Answer("refused", sentence)
        asked = healing.parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        return Answer("away", sentence, asked or 0.0)


def _can_heal(status: int) -> bool:
    return status in _OF_THE_DOOR or healing.http_status_can_heal(status)
