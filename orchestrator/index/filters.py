"""Which letters are meant: a set of conditions, as options and JSON spell them, and as SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from orchestrator.deadletter.death import moment
from orchestrator.deadletter.foreign import REASON as FOREIGN
from orchestrator.deadletter.reasons import REASONS as OWN_REASONS
from orchestrator.errors import InvalidFilter
from orchestrator.index.states import STATES
from orchestrator.storable import is_clean

REASONS = (*OWN_REASONS, FOREIGN)
TIME = "a time in ISO 8601 such as 2026-01-31T09:00:00Z, or an age such as 90s, 15m, 6h, 2d"
# PostgreSQL parses the words anew for each query.
MOST_TEXT = 1000

# Each field that takes several values, and its column.
COLUMNS = {
    "ids": "id",
    "queues": "queue",
    "tasks": "task",
    "reasons": "reason",
    "exceptions": "exception",
    "fingerprints": "fingerprint",
    "correlation_ids": "correlation_id",
    "task_ids": "task_id",
    "states": "state",
}
_TIMES = ("since", "until")
# Fields that take only values that there are.
_CHOICES: dict[str, tuple[str, ...]] = {"states": STATES, "reasons": REASONS}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d{1,9})([smhdw])")
# The very expression of the index `dead_letters_words`.
WORDS = sql.SQL("to_tsvector('simple', message) @@ websearch_to_tsquery('simple', %s)")


@dataclass(frozen=True)
class Filter:
    """Letters that meet every condition; an empty field is none.

    Of several values in a field one has to fit, to the letter. `text` is words of the error's message, as one
    would type them into a search engine: "a phrase", or, -not. `since` and `until` bound the latest death,
    `until` not included.
    """

    ids: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    correlation_ids: tuple[str, ...] = ()
    task_ids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The conditions there are, as JSON: lists of texts, and times in ISO 8601."""
        shown: dict[str, Any] = {name: list(getattr(self, name)) for name in COLUMNS}
        shown["text"] = self.text
        for name in _TIMES:
            at = getattr(self, name)
            shown[name] = at.isoformat() if at else None
        return {name: value for name, value in shown.items() if value}

    @classmethod
    def from_json(cls, spelled: Mapping[str, Any]) -> Filter:
        """Read what `as_json` writes; a time may be an age, too, counted back from now.

        Raises:
            InvalidFilter: it is no object, has an unknown key, or a value is not what its key takes.
        """
        if not isinstance(spelled, Mapping):
            raise InvalidFilter(f'a filter is an object such as {{"queues": ["mails"]}}, not {spelled!r:.80}')
        known = [field.name for field in fields(cls)]
        unknown = [str(name) for name in spelled if name not in known]
        if unknown:
            raise InvalidFilter(f"a filter has no key {unknown[0]!r:.80}: there are {', '.join(known)}")
        return cls(**{name: _read(name, value) for name, value in spelled.items() if value is not None})

    def where(self) -> tuple[sql.Composed, list[Any]]:
        """The condition over the columns of dead_letters, and its parameters."""
        conditions: list[sql.Composable] = []
        parameters: list[Any] = []
        for name, column in COLUMNS.items():
            if values := getattr(self, name):
                clean = [value for value in values if is_clean(value)]
                single = len(clean) == 1
                template = "{} = %s" if single else "{} = ANY(%s)"
                conditions.append(sql.SQL(template).format(sql.Identifier(column)))
                parameters.append(clean[0] if single else clean)
        if self.text:
            # What PostgreSQL cannot store is in no message.
            conditions.append(WORDS if is_clean(self.text) else sql.SQL("false"))
            parameters += [self.text] if is_clean(self.text) else []
        for at, condition in ((self.since, "died_at >= %s"), (self.until, "died_at < %s")):
            if at:
                conditions.append(sql.SQL(condition))
                parameters.append(at)
        return sql.SQL(" AND ").join(conditions or [sql.SQL("true")]), parameters


def _read(name: str, value: Any) -> Any:
    if name in _TIMES:
        return _moment(name, value)
    if name == "text":
        if not isinstance(value, str) or len(value) > MOST_TEXT:
            raise InvalidFilter(f"text of a filter must be words, {MOST_TEXT} characters at most")
        return value
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise InvalidFilter(f'{name} of a filter must be a list of texts such as ["a"], not {value!r:.80}')
    choices = _CHOICES.get(name)
    wrong = [each for each in value if choices and each not in choices]
    if choices and wrong:
        raise InvalidFilter(f"{name} of a filter must be among {', '.join(choices)}, not {wrong[0]!r:.80}")
    return tuple(value)


def read_time(value: Any) -> datetime | None:
    """A time in ISO 8601, in UTC where it has no zone, or an age such as 15m; None where it is neither."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        if age := _AGE.fullmatch(text):
            return datetime.now(UTC) - timedelta(seconds=int(age[1]) * _UNITS[age[2]])
    except OverflowError:
        return None
    return moment(text)


def _moment(name: str, value: Any) -> datetime:
    at = read_time(value)
    if at is None:
        raise InvalidFilter(f"{name} of a filter must be {TIME}, not {value!r:.80}")
    return at
