"""Reads what a dead message says: its task, its arguments and its links, in either protocol of Celery."""

from __future__ import annotations

import base64
from typing import Any

from kombu.compression import decompress

from orchestrator.replay.parts import JSON, Parts, read_json
from orchestrator.transport.envelope import Envelope

NO_LINKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_PROTOCOL_2 = range(2, 4)


class Contents:
    """What can be read of the old message: its task, its arguments, and what was linked to it.

    `body` is None where it is not JSON, or is compressed in a way that nobody knows: it is never unpickled.
    """

    def __init__(self, parts: Parts) -> None:
        self.body: Any = None
        if parts.content_type == JSON:
            self.body = read_json(_plain(parts.body, parts.headers.get("compression")))
        headers, body = parts.headers, self.body
        # Celery's first protocol has everything in the body.
        self.is_first_protocol = (
            not isinstance(headers.get("task"), str)
            and isinstance(body, dict)
            and isinstance(body.get("task"), str)
        )
        about = body if self.is_first_protocol else headers
        self.task = _text(about.get("task"))
        self.task_id = _text(about.get("id"))
        self.args: list[Any] = []
        self.kwargs: dict[str, Any] = {}
        self.links: dict[str, Any] = {}
        self.is_readable = self._read()

    def _read(self) -> bool:
        if self.is_first_protocol:
            parts = [self.body.get("args", []), self.body.get("kwargs", {}), self.body]
        elif isinstance(self.body, list) and len(self.body) in _PROTOCOL_2:
            parts = [*self.body, {}][:3]
        else:
            return False
        args, kwargs, links = parts
        if not isinstance(args, list) or not isinstance(kwargs, dict) or not isinstance(links, dict):
            return False
        self.args, self.kwargs = args, kwargs
        self.links = {name: links.get(name) for name in NO_LINKS} if self.is_first_protocol else links
        return True


def is_broken(envelope: Envelope) -> bool:
    """Whether the body of a message that was made for a replay is said to be JSON, and is none."""
    if envelope["content-type"] != JSON:
        return False
    body = base64.b64decode(envelope["body"])
    return read_json(_plain(body, envelope["headers"].get("compression"))) is None


def _plain(body: bytes, compression: Any) -> bytes:
    if not isinstance(compression, str):
        return body
    try:
        return bytes(decompress(body, compression))
    except Exception:
        return b""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
