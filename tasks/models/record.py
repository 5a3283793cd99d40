"""One row of `model_calls` for every call of a model, whatever became of it."""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from orchestrator import postgres, redaction
from orchestrator.errors import PermanentError
from orchestrator.storable import clean

Outcome = Literal["ok", "transient", "permanent"]

_MAX_NAME_CHARACTERS = 100
_MAX_ERROR_CHARACTERS = 500

_INSERT = """
    INSERT INTO model_calls (id, task_id, model, operation, outcome, error, latency_seconds,
                             input_tokens, output_tokens, started_at)
    VALUES (%(id)s, %(task_id)s, %(model)s, %(operation)s, %(outcome)s, %(error)s, %(latency_seconds)s,
            %(input_tokens)s, %(output_tokens)s, %(started_at)s)
"""


@dataclass(frozen=True)
class Call:
    """A call that is over; tokens are None where the provider does not count them."""

    id: UUID
    task_id: str | None
    model: str
    operation: str
    started_at: datetime
    latency_seconds: float
    outcome: Outcome
    error: str | None
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True)
class Begun:
    """A call that is going on; `began_seconds` is the reading of a clock that only runs forwards."""

    id: UUID
    task_id: str | None
    model: str
    operation: str
    started_at: datetime
    began_seconds: float

    def ended(
        self,
        outcome: Outcome,
        error: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> Call:
        """The call as it is to be recorded: it is over now."""
        return Call(
            id=self.id,
            task_id=self.task_id,
            model=self.model,
            operation=self.operation,
            started_at=self.started_at,
            latency_seconds=time.perf_counter() - self.began_seconds,
            outcome=outcome,
            error=error,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )


def begin(model: object, operation: object, task_id: str | None) -> Begun:
    """Begin a call, now; the names are stored whatever the caller gave for them."""
    return Begun(
        uuid4(), task_id, _shown_name(model), _shown_name(operation), datetime.now(UTC), time.perf_counter()
    )


def record(call: Call) -> None:
    """Write the call in a transaction of its own, also where a deadline is over: it has been paid for.

    Raises:
        psycopg.Error: PostgreSQL was away for longer than a usual restart takes.
    """
    with postgres.transaction(in_time=False) as connection:
        connection.execute(_INSERT, asdict(call))


def shown_error(error: BaseException) -> str:
    """An error as it may be stored: without secrets, at most 500 characters."""
    return clean(redaction.text(f"{type(error).__name__}: {error}"))[:_MAX_ERROR_CHARACTERS]


def outcome_of(error: BaseException) -> Outcome:
    """Whether trying again could heal the error."""
    return "permanent" if isinstance(error, PermanentError) else "transient"


def _shown_name(name: object) -> str:
    return clean(name if isinstance(name, str) else repr(name))[:_MAX_NAME_CHARACTERS]
