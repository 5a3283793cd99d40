"""Which errors can heal by themselves, and when the other side wants to be asked again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

from orchestrator.errors import PermanentError, TransientError

# A client error says that asking again is useless, except for these: Request Timeout, Too Early and
# Too Many Requests (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4).
HEALING_CLIENT_ERRORS = frozenset({408, 425, 429})
# Nobody is believed who asks to be left alone for longer than this.
LONGEST_RETRY_AFTER_SECONDS = 3600.0

_CLIENT_ERRORS = range(400, 500)


def can_heal(error: BaseException) -> bool:
    """Whether another attempt could end differently."""
    if isinstance(error, PermanentError):
        return False
    status = _http_status(error)
    return status is None or http_status_can_heal(status)


def http_status_can_heal(status: int) -> bool:
    """Whether a request that was answered with this status is worth repeating."""
    return status not in _CLIENT_ERRORS or status in HEALING_CLIENT_ERRORS


def retry_after_seconds(error: BaseException, now: datetime) -> float | None:
    """What the other side asked for: a TransientError's own figure, or an HTTP response's `Retry-After`."""
    if isinstance(error, TransientError):
        return error.retry_after_seconds
    headers = _http_headers(error)
    return parse_retry_after(headers.get("Retry-After", headers.get("retry-after")), now)


def parse_retry_after(value: Any, now: datetime) -> float | None:
    """Seconds from a `Retry-After` header: a number or an HTTP date (RFC 9110 §10.2.3), 0 to an hour.

    What cannot be read is None: a server's bad header must not decide how we fail.
    """
    if not isinstance(value, str):
        return None
    seconds = _number(value)
    if seconds is None:
        seconds = _seconds_until(value, now)
    if seconds is None or not isfinite(seconds):
        return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _seconds_until(value: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def _http_headers(error: BaseException) -> Mapping[str, Any] | Message:
    # urllib's error is the response itself.
    answered = error if _is_urllibs(error) else getattr(error, "response", None)
    headers = getattr(answered, "headers", None)
    return headers if isinstance(headers, Mapping | Message) else {}


def _is_urllibs(error: BaseException) -> bool:
    return any(kind.__module__ == "urllib.error" for kind in type(error).__mro__)


def _http_status(error: BaseException) -> int | None:
    # requests, httpx and httpx2 put the response on the exception; urllib calls the status `code`.
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is None and _is_urllibs(error):
        status = getattr(error, "code", None)
    return status if isinstance(status, int) else None
