"""Sums as Redis has them: fields and values of a hash, and the rows that are added to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple

from monitoring.recording.sums import Calls, Ended, Key, Sums
from orchestrator import settings
from orchestrator.deadletter.naming import topic_of
from orchestrator.errors import SettingsError
from orchestrator.tally import fields
from orchestrator.tally.names import OTHER

# What no process could tell apart any more, and what it would not take: counts beside the others.
OVERFLOWED, REFUSED = "overflowed", "refused"
_HEAD = 4
_DEFAULT_SUFFIX = ".dlq"


class Row(NamedTuple):
    """What is added: `instead` is the field that counts where there are too many others."""

    field: str
    instead: str
    kind: Literal["count", "durations"]
    value: str


def durations(calls: Calls) -> str:
    """Calls as the text of whole numbers that Redis has: count, sum, least, most, and the buckets."""
    numbers = [calls.count, calls.micros, calls.least_micros, calls.most_micros]
    for index in sorted(calls.buckets):
        numbers += index, calls.buckets[index]
    return " ".join(map(str, numbers))


def calls(text: str) -> Calls:
    """What such a text says.

    Raises:
        ValueError: it is none.
    """
    numbers = list(map(int, text.split()))
    if len(numbers) < _HEAD or len(numbers) % 2:
        message = f"durations are four numbers and pairs of them, not {text!r:.80}"
        raise ValueError(message)
    left = iter(numbers)
    count, micros, least, most = islice(left, _HEAD)
    # Each bucket takes two of what is left.
    return Calls(count, micros, dict(zip(left, left, strict=True)), least, most)


def read(stored: Mapping[str, str]) -> Sums:
    """The sums that a hash has; what is no sum, or cannot be read, is left out.

    Retries and dead letters that settlements have counted are events too, the letters by their topic.
    """
    called: dict[Key, Calls] = {}
    waits: dict[tuple[str, str], Calls] = {}
    errors: dict[tuple[str, str], int] = {}
    events: dict[tuple[str, str], int] = {}
    outcomes: dict[Ended, int] = {}
    for of, value in stored.items():
        try:
            match _parts(of):
                case "outcome", task, queue, outcome, reason:
                    outcomes[Ended(task, queue, outcome, reason)] = int(value)
                case "event", kind, about:
                    _count(events, (kind, about), int(value))
                case "error", component, error_type:
                    errors[component, error_type] = int(value)
                case "call", component, operation, ("success" | "error") as status:
                    called[Key(component, operation, status)] = calls(value)
                case "wait", queue, task:
                    waits[queue, task] = calls(value)
        except ValueError:
            continue
    for event, count in _derived(outcomes):
        _count(events, event, count)
    return Sums(called, errors, events, waits, outcomes)


def stored(sums: Sums) -> dict[str, str]:
    """The hash that these sums are read from: what of them settlements count is in it as that alone."""
    found = {row.field: row.value for row in rows(sums)}
    for ended, count in sums.outcomes.items():
        found[fields.field("outcome", *ended)] = str(count)
    for (kind, about), count in _derived(sums.outcomes):
        field = fields.field("event", kind, about)
        left = int(found.pop(field, 0)) - count
        if left > 0:
            found[field] = str(left)
    return found


def rows(sums: Sums) -> Iterator[Row]:
    """What processes add to the fleet's hashes; outcomes are none of it: settlements count these."""
    for key, some in sums.calls.items():
        yield Row(
            _field("call", *key), _field("call", OTHER, OTHER, key.status), "durations", durations(some)
        )
    for where, some in sums.waits.items():
        yield Row(_field("wait", *where), _field("wait", OTHER, OTHER), "durations", durations(some))
    for (component, kind), count in sums.errors.items():
        yield Row(_field("error", component, kind), _field("error", OTHER, OTHER), "count", str(count))
    for (kind, about), count in sums.events.items():
        yield Row(_field("event", kind, about), _field("event", kind, OTHER), "count", str(count))


# The same fields are read and written minute after minute.
_parts = lru_cache(maxsize=20_000)(fields.parts)
_field = lru_cache(maxsize=4096)(fields.field)


def _derived(outcomes: Mapping[Ended, int]) -> Iterator[tuple[tuple[str, str], int]]:
    if not outcomes:
        return
    suffix = _suffix()
    for ended, count in outcomes.items():
        if ended.outcome == "retried":
            yield ("retry_attempt", ended.task), count
        elif ended.outcome == "dead_lettered":
            yield ("dead_letter_message", _topic(ended.queue, suffix)), count


@lru_cache(maxsize=1024)
def _topic(queue: str, suffix: str) -> str:
    return queue if queue == OTHER else topic_of(queue, suffix)


def _suffix() -> str:
    try:
        return settings.current().kafka_dlq_suffix
    except SettingsError:
        return _DEFAULT_SUFFIX


def _count(events: dict[tuple[str, str], int], event: tuple[str, str], count: int) -> None:
    events[event] = events.get(event, 0) + count
