from datetime import UTC, datetime
from email.message import Message
from urllib.error import HTTPError, URLError

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InvalidArguments, ModelRefused, ModelUnavailable
from orchestrator.retry.healing import can_heal, parse_retry_after, retry_after_seconds

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _answered(status: int, headers: dict[str, str] | None = None) -> Exception:
    request = httpx2.Request("GET", "http://127.0.0.1/")
    response = httpx2.Response(status, request=request, headers=headers)
    return httpx2.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 451])
def test_a_client_error_cannot_heal(status: int) -> None:
    assert not can_heal(_answered(status))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_request_that_came_at_a_bad_time_can_heal(status: int) -> None:
    assert can_heal(_answered(status))


@pytest.mark.parametrize("error", [InvalidArguments("two given, one taken"), ModelRefused("no such model")])
def test_a_permanent_error_cannot_heal(error: Exception) -> None:
    assert not can_heal(error)


@pytest.mark.parametrize("error", [RuntimeError("?"), ConnectionResetError(), ModelUnavailable("busy")])
def test_any_other_error_can_heal(error: Exception) -> None:
    assert can_heal(error)


def test_retry_after_is_read_from_a_response() -> None:
    assert retry_after_seconds(_answered(429, {"Retry-After": "7"}), NOW) == 7.0


def test_retry_after_is_read_from_an_error_of_urllib() -> None:
    headers = Message()
    headers["retry-after"] = "40"
    error = HTTPError("http://127.0.0.1/", 429, "Too Many Requests", headers, None)

    assert can_heal(error)
    assert retry_after_seconds(error, NOW) == 40.0
    assert retry_after_seconds(URLError("refused"), NOW) is None


def test_retry_after_is_read_from_a_transient_error() -> None:
    assert retry_after_seconds(ModelUnavailable("busy", 2.5), NOW) == 2.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2025 00:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("999999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_retry_after_is_a_number_or_a_date_within_an_hour(value: object, expected: float | None) -> None:
    assert parse_retry_after(value, NOW) == expected


@given(st.text())
def test_no_header_breaks_the_parser(value: str) -> None:
    seconds = parse_retry_after(value, NOW)

    assert seconds is None or 0.0 <= seconds <= 3600.0
