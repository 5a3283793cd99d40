"""Loggers for what other programs run too, with or without our logging: nothing goes to standard output.

structlog's own default is to print there, where a command's `--json` stands.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import MutableMapping
from typing import Any

import structlog

from orchestrator import redaction


class Logger:
    """As one of structlog's: where nobody has configured that, it is one of the standard library's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._plain = structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, _as_text],
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def __getattr__(self, method: str) -> Any:
        """The method of whichever it is now."""
        chosen = structlog.get_logger(self._name) if structlog.is_configured() else self._plain
        return getattr(chosen, method)

    def tell(self, method: str, event: str, **details: Any) -> None:
        """Log by this method where that can be: for what must go on, also where nothing can be written."""
        with contextlib.suppress(Exception):
            getattr(self, method)(event, **details)


def get(name: str) -> Logger:
    """The logger of this name."""
    return Logger(name)


def _as_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str, str], dict[str, Any]]:
    words, exc_info = str(event.pop("event")), event.pop("exc_info", None)
    details = " ".join(f"{name}={value!r}" for name, value in event.items())
    return ("%s", redaction.text(f"{words} {details}".rstrip())), {"exc_info": exc_info}
