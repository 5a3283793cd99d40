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

Format = Literal["auto", "console", "json"]


def connect() -> None:
    """Take over the logging of Celery's processes."""
    setup_logging.connect(_configure_celery, dispatch_uid="omninode-logs")


def configure(level: int | str, log_format: Format, *, colours: bool | None = None) -> None:
    """Send the logging of this process to standard error; `auto` asks whether that is a terminal."""
    terminal = sys.stderr.isatty()
    readable = log_format == "console" or (log_format == "auto" and terminal)
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=terminal if colours is None else colours,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if readable
        else structlog.processors.JSONRenderer()
    )
    finishing: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _redact,
        renderer,
    ]
    if not readable:
        finishing.insert(0, structlog.processors.format_exc_info)
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=finishing))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _configure_celery(loglevel: int | str | None = None, **_: Any) -> None:
    configure(loglevel or logging.INFO, settings.current().log_format)


def _name_task(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the task that is running here or, in the main process, the task that the line is about."""
    task = celery.current_task
    if task and task.request.id:
        event.setdefault("task_id", task.request.id)
        event.setdefault("task", task.name)
        return event
    record = event.get("_record")
    about = getattr(record, "data", None) or getattr(record, "args", None)
    if isinstance(about, Mapping) and "id" in about and "name" in about:
        event.setdefault("task_id", about["id"])
        event.setdefault("task", about["name"])
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
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    _name_task,
]
