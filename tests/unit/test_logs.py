import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from orchestrator import logs

RECEIVED = "Task %(name)s[%(id)s] received"


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _say(log_format: logs.Format, message: str, *arguments: object, level: int = logging.INFO) -> None:
    logs.configure(logging.INFO, log_format, colours=False)
    # As Celery does it: what a line is about goes along.
    logging.getLogger("celery.worker").log(level, message, *arguments, extra={"data": arguments[0]})


def test_a_line_for_programs_is_json_with_the_task_that_it_is_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _say("json", RECEIVED, {"name": "shop.charge", "id": "1-2"})

    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "Task shop.charge[1-2] received",
        "level": "info",
        "logger": "celery.worker",
        "task": "shop.charge",
        "task_id": "1-2",
    }


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_traceback_that_a_failed_tasks_line_carries_is_not_formatted_again(
    capsys: pytest.CaptureFixture[str], log_format: logs.Format
) -> None:
    logs.configure(logging.INFO, log_format, colours=False)
    about = {"name": "shop.charge", "id": "1-2", "traceback": "Traceback, as it was formatted before\n"}
    try:
        raise ValueError("no such order")
    except ValueError:
        logging.getLogger("celery.app.trace").exception("%(name)s raised", about, extra={"data": about})

    written = capsys.readouterr().err
    assert written.count("Traceback") == 1
    assert "Traceback, as it was formatted before" in written


def test_a_line_for_people_names_the_task_once(capsys: pytest.CaptureFixture[str]) -> None:
    _say("console", RECEIVED, {"name": "shop.charge", "id": "1-2"})

    assert capsys.readouterr().err.count("1-2") == 1


def test_a_line_about_no_task_may_say_none(capsys: pytest.CaptureFixture[str]) -> None:
    _say("console", "the answer was %s", None)

    assert "the answer was None" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (RECEIVED, ({"name": "omninode.hooks.sweep", "id": "1-2"},)),
        ("Scheduler: Sending due task %s (%s)", ("omninode-health", "omninode.health.check")),
    ],
)
def test_our_own_ticks_are_for_programs_only(
    capsys: pytest.CaptureFixture[str], message: str, arguments: tuple[object, ...]
) -> None:
    _say("console", message, *arguments)
    assert capsys.readouterr().err == ""

    _say("json", message, *arguments)
    assert capsys.readouterr().err != ""


def test_a_tick_that_goes_wrong_is_for_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    about = {"name": "omninode.hooks.sweep", "id": "1-2"}
    _say("console", "Task %(name)s[%(id)s] raised", about, level=logging.ERROR)

    assert "omninode.hooks.sweep[1-2] raised" in capsys.readouterr().err


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_stands_in_a_line(capsys: pytest.CaptureFixture[str], log_format: logs.Format) -> None:
    _say(log_format, "connected to %s", "redis://:hunter2@host/0")

    assert "redis://:****@host/0" in capsys.readouterr().err
