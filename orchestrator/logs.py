"""One log line an event: readable on a terminal, JSON elsewhere, with the task's id in every line."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import celery
import structlog
from celery.signals import setup_logging
from structlog.typing import Processor

from orchestrator import redaction, settings
from orchestrator.schedule import HOUSEKEEPING

Format = Literal["auto", "console", "json"]


def connect() -> None:
    """Take over the logging of Celery's processes."""
    setup_logging.connect(_configure_celery, dispatch_uid="omninode-logs")


def configure(level: int | str, log_format: Format, *, colours: bool | None = None) -> None:
    """Send the logging of this process to standard error; `auto` asks whether that is a terminal."""
    terminal = sys.stderr.isatty()
    readable = log_format == "console" or (log_format == "auto" and terminal)
    shared: list[Processor] = [*_SHARED, _TIME_OF_DAY if readable else _TIMESTAMP]
    handler = logging.StreamHandler()
    if readable:
        handler.addFilter(_is_worth_reading)
    finishing = _for_people(terminal if colours is None else colours) if readable else _FOR_PROGRAMS
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finishing],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _for_people(colours: bool) -> list[Processor]:  # noqa: FBT001
    renderer = structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [_redact, _drop_what_the_sentence_says, renderer]


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """Not our own ticks, of which there are several every ten seconds, as long as they go well."""
    if record.levelno > logging.INFO or not record.args:
        return True
    about = record.args.values() if isinstance(record.args, Mapping) else record.args
    return HOUSEKEEPING.isdisjoint(part for part in about if isinstance(part, str))


def _drop_what_the_sentence_says(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    task_id = event.get("task_id")
    if task_id and str(task_id) in str(event.get("event")):
        del event["task_id"]
        event.pop("task", None)
    return event


def _configure_celery(loglevel: int | str | None = None, **_: Any) -> None:
    configure(loglevel or logging.INFO, settings.current().log_format)


def _name_task(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the task that is running here or, in the main process, the task that the line is about."""
    task = celery.current_task
    if task and task.request.id:
        event.setdefault("task_id", task.request.id)
        event.setdefault("task", task.name)
        return event
    about = getattr(event.get("_record"), "data", None)  # Celery's own lines carry it
    if isinstance(about, Mapping) and "id" in about and "name" in about:
        event.setdefault("task_id", about["id"])
        event.setdefault("task", about["name"])
    return event


def _reuse_traceback(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Celery's line about a failed task carries the formatted traceback: to format it again costs as much."""
    about = getattr(event.get("_record"), "data", None)
    if event.get("exc_info") and isinstance(about, Mapping) and about.get("traceback"):
        event["exception"] = str(about["traceback"]).rstrip("\n")
        del event["exc_info"]
    return event


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redaction.text(value)
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    _reuse_traceback,
    _name_task,
]
_TIMESTAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)
_TIME_OF_DAY = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
_FOR_PROGRAMS: list[Processor] = [
    structlog.processors.format_exc_info,
    _redact,
    structlog.processors.JSONRenderer(),
]
