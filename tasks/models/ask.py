"""Calls a model in this process and records the call."""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from orchestrator import postgres
from orchestrator.errors import BreakerOpen, TransientError
from tasks.models import catalogue
from tasks.models.inputs import parse
from tasks.models.operations import Performed, perform
from tasks.models.record import Begun, Call, begin, outcome_of, record, shown_error

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a model answered; `call_id` is its row in `model_calls`, tokens are None where nobody counts."""

    call_id: UUID
    output: Any
    latency_seconds: float
    input_tokens: int | None
    output_tokens: int | None


def ask(
    model: str,
    operation: str,
    input: Any,  # noqa: A002 (the task's own word for it)
    options: dict[str, Any] | None = None,
    *,
    task_id: str | None = None,
) -> Answer:
    """Call the model, record the call, give its answer; `operations.perform` says what the outputs are.

    The record is written after the call, so that no transaction is open while a model thinks. An answer that
    could not be recorded is not given: whatever succeeded is accounted for. That can pay for a call twice,
    but only when PostgreSQL is away for longer than the pool waits for it (30 s), and a task may run twice
    anyway. While it is known to be away no model is called.

    Raises:
        BreakerOpen: the model's server, or PostgreSQL, is known to be away: nothing was called or recorded.
        DeadlineExceeded: the task's deadline was over before the model had answered.
        InvalidModelInput: the operation cannot work on this input.
        ModelNotConfigured: there is no such model.
        ModelRefused: its server refused for good.
        ModelUnavailable: its server did not answer, answered nonsense, or asked to be left alone for a while.
        TransientError: the model answered, but the record could not be written.
    """
    begun = begin(model, operation, task_id)
    try:
        provider, request = catalogue.provider(model), parse(operation, input, options)
        postgres.refuse_while_open()
        with catalogue.guarded(model):
            performed = perform(provider, request)
    except BreakerOpen:
        raise
    except BaseException as error:
        _record_failure(begun.ended(outcome_of(error), shown_error(error)))
        raise
    return _record_success(begun, performed)


def _record_success(begun: Begun, performed: Performed) -> Answer:
    call = begun.ended("ok", None, performed.input_tokens, performed.output_tokens)
    try:
        record(call)
    except psycopg.Error as error:
        raise TransientError(
            f"the model {call.model!r} answered, but PostgreSQL could not record it: {shown_error(error)}"
        ) from error
    return Answer(call.id, performed.output, call.latency_seconds, call.input_tokens, call.output_tokens)


def _record_failure(call: Call) -> None:
    try:
        record(call)
    except (psycopg.Error, BreakerOpen):
        # What the caller must hear of is why the model failed, not why nobody could write it down.
        _logger.warning("a failed call could not be recorded: %s", call, exc_info=True)
