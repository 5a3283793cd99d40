"""What our code says in programs that have not set up our logging is never on their standard output."""

from __future__ import annotations

import logging

import pytest
import structlog

from orchestrator import logger


@pytest.fixture(autouse=True)
def _unconfigured() -> None:
    structlog.reset_defaults()


def test_a_program_without_our_logging_gets_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logger.get("ours").warning("breaker_opened", breaker="shop", error="redis://:secret@host")

    assert capsys.readouterr().out == ""
    assert [(each.name, each.getMessage()) for each in caplog.records] == [
        ("ours", "breaker_opened breaker='shop' error='redis://:****@host'")
    ]


def test_what_a_program_does_not_want_to_hear_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ours"):
        logger.get("ours").info("breaker_closed", breaker="shop")

    assert caplog.records == []


def test_an_exception_comes_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise OSError("down")
    except OSError:
        logger.get("ours").exception("breaker_listener_failed")

    assert "OSError: down" in caplog.text


def test_where_structlog_was_set_up_it_is_used() -> None:
    with structlog.testing.capture_logs() as logs:
        logger.get("ours").warning("breaker_opened", breaker="shop")

    structlog.reset_defaults()
    assert logs == [{"event": "breaker_opened", "breaker": "shop", "log_level": "warning"}]
