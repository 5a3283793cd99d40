"""Where the messages of a task are in Redis: they are looked for by the task's id, and none is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from orchestrator import keys, redaction
from orchestrator.deadletter.death import FAILURES, replay_of
from orchestrator.queues.looking import Shown, show
from orchestrator.queues.searching import search, ways_to_write
from orchestrator.queues.survey import priority_of, queue_of, survey
from orchestrator.transport.envelope import decode, encode
from orchestrator.transport.ledger import claimed_by

Place = Literal["waiting", "delayed", "in flight", "held by stock Celery", "dead"]


@dataclass(frozen=True)
class Placed:
    """A message and where it is; times are ISO 8601 in UTC, and empty where nobody says.

    `position` is 1 for what is claimed next of its queue and priority. `since` is when a worker claimed it,
    or when it died. `lease_seconds` is what is left of the lease, negative where it has ended. `failures` are
    the attempts that have failed so far.
    """

    place: Place
    message: Shown
    is_paused: bool = False
    position: int | None = None
    due: str = ""
    since: str = ""
    worker: str = ""
    has_begun: bool | None = None
    lease_seconds: float | None = None
    reason: str = ""
    letter_id: str = ""
    replay: int = 0
    failures: tuple[tuple[str, ...], ...] = ()


def find(channel: Any, declared: Iterable[str], task_id: str, *, whole: bool = False) -> list[Placed]:
    """Every message of the task, in the order in which messages go through their places.

    Looked through are the queues that are declared, paused, or have messages in flight or due later; with
    `whole` also lists of no known queue. What is found nowhere is looked for once more: it may have moved.
    """
    names = list(declared)
    with channel.plain_client() as client:
        search = _Search(client, channel, task_id)
        return list(search.look(names, whole=whole)) or list(search.look(names, whole=whole))


def revoked_at(channel: Any, task_id: str) -> str:
    """When it was revoked; empty where it was not, or has ended since."""
    with channel.plain_client() as client:
        score = client.zscore(keys.revoked(channel.global_keyprefix), task_id)
    return "" if score is None else _moment(score)


class _Search:
    """One task's messages in each place."""

    def __init__(self, client: Any, channel: Any, task_id: str) -> None:
        self._client = client
        self._channel = channel
        self._prefix: str = channel.global_keyprefix
        self._task_id = task_id
        self._texts = ways_to_write(task_id)

    def look(self, declared: list[str], *, whole: bool) -> Iterator[Placed]:
        """In the order in which a message moves, so that one that does is met further on."""
        states = survey(self._channel, declared, whole=whole)
        yield from self._delayed({state.name for state in states if state.paused})
        for state in states:
            for priority in self._channel.priority_steps:
                yield from self._waiting(state.name, priority, is_paused=state.paused)
        yield from self._in_flight()
        yield from self._held_by_stock()
        yield from self._dead()

    def _delayed(self, paused: set[str]) -> Iterator[Placed]:
        for identity, value in search(self._client, keys.delayed_messages(self._prefix), self._texts):
            target, raw = _split(value)
            if self._is_wanted(raw):
                queue = queue_of(target, self._prefix)
                due_ms = self._client.zscore(keys.delayed(self._prefix), identity)
                due = "" if due_ms is None else _moment(due_ms / 1000)
                yield _placed("delayed", raw, queue, priority_of(target), is_paused=queue in paused, due=due)

    def _waiting(self, queue: str, priority: int, *, is_paused: bool) -> Iterator[Placed]:
        target = self._channel.list_of(queue, priority)
        seen = set()
        for index, raw in search(self._client, target, self._texts):
            if raw not in seen and self._is_wanted(raw):
                seen.add(raw)
                position = max(1, self._client.llen(target) - int(index))
                yield _placed("waiting", raw, queue, priority, is_paused=is_paused, position=position)

    def _in_flight(self) -> Iterator[Placed]:
        for claim_id, value in search(self._client, keys.claims(self._prefix), self._texts):
            target, raw = _split(value)
            if self._is_wanted(raw):
                queue = queue_of(target, self._prefix)
                yield _placed("in flight", raw, queue, priority_of(target), **self._held(claim_id))

    def _held(self, claim_id: str) -> dict[str, Any]:
        nonce, at = claimed_by(claim_id)
        with self._client.pipeline() as ask:
            ask.zscore(keys.leases(self._prefix), claim_id)
            ask.sismember(keys.started(self._prefix), claim_id)
            ask.get(keys.holder(nonce, self._prefix))
            ask.time()
            until_ms, begun, worker, (seconds, microseconds) = ask.execute()
        now = seconds + microseconds / 1_000_000
        return {
            "since": "" if at is None else _moment(at),
            "worker": redaction.printable(bytes_to_str(worker)) if worker else "",
            "has_begun": bool(begun),
            "lease_seconds": None if until_ms is None else round(until_ms / 1000 - now, 3),
        }

    def _held_by_stock(self) -> Iterator[Placed]:
        unacked = self._prefix + self._channel.unacked_key
        for tag, value in search(self._client, unacked, self._texts):
            try:
                message, _, routing_key = loads(bytes_to_str(value))
                raw = encode(message).encode()
            except (ValueError, TypeError):
                # No message that stock could restore.
                continue
            if self._is_wanted(raw):
                taken = self._client.zscore(self._prefix + self._channel.unacked_index_key, tag)
                since = "" if taken is None else _moment(taken)
                yield _placed("held by stock Celery", raw, str(routing_key), 0, since=since)

    def _dead(self) -> Iterator[Placed]:
        outbox = keys.outbox(self._prefix)
        for entry, raw in search(self._client, outbox, self._texts):
            if not self._is_wanted(raw):
                continue
            for _, fields in self._client.xrange(outbox, entry, entry) or ():
                queue, since, worker, reason = (
                    redaction.printable(bytes_to_str(fields.get(name, b"")))
                    for name in (b"queue", b"died_at", b"worker", b"reason")
                )
                yield _placed("dead", raw, queue, 0, since=since, worker=worker, reason=reason)

    def _is_wanted(self, raw: bytes) -> bool:
        """Whether it is the task's own: others may name it as their parent or root.

        What cannot be read is: it holds the id.
        """
        try:
            envelope = decode(raw)
        except ValueError:
            return True
        headers = envelope.get("headers")
        if isinstance(headers, dict) and "id" in headers:
            return bool(headers["id"] == self._task_id)
        return bool(envelope["properties"].get("correlation_id") == self._task_id)


def _placed(place: Place, raw: bytes, queue: str, priority: int, **details: Any) -> Placed:
    headers = _headers(raw)
    letter_id, replay = replay_of(headers) or ("", 0)
    failures = headers.get(FAILURES)
    told = tuple(
        tuple(redaction.printable(part) for part in each)
        for each in (failures if isinstance(failures, list) else ())
        if isinstance(each, list)
    )
    message = show(queue, raw, priority)
    return Placed(place, message, letter_id=letter_id, replay=replay, failures=told, **details)


def _headers(raw: bytes) -> dict[str, Any]:
    try:
        headers = decode(raw).get("headers")
    except ValueError:
        return {}
    return headers if isinstance(headers, dict) else {}


def _split(value: bytes) -> tuple[str, bytes]:
    target, raw = value.split(b"\n", 1)
    return bytes_to_str(target), raw


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""
