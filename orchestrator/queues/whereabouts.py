"""Where the messages of a task are in Redis: they are looked for by the task's id, and none is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from orchestrator import keys, redaction
from orchestrator.queues.placed import Placed, dead, is_of, placed, why_aside
from orchestrator.queues.searching import search, ways_to_write
from orchestrator.queues.survey import priority_of, queue_of, survey
from orchestrator.transport.envelope import encode
from orchestrator.transport.ledger import claimed_by


def find(channel: Any, declared: Iterable[str], task_id: str, *, whole: bool = False) -> list[Placed]:
    """Every message of the task, in the order in which messages go through their places.

    Looked through are the queues that are declared, paused, or have messages in flight, due later or set
    aside; with `whole` also lists of no known queue. What is found nowhere is looked for once more: it may
    have moved.
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
        paused = {state.name for state in states if state.paused}
        yield from self._aside(paused)
        yield from self._delayed(paused)
        for state in states:
            for priority in self._channel.priority_steps:
                yield from self._waiting(state.name, priority, is_paused=state.paused)
        yield from self._in_flight()
        yield from self._held_by_stock()
        yield from self._dead()

    def _aside(self, paused: set[str]) -> Iterator[Placed]:
        for identity, value in search(self._client, keys.aside_messages(self._prefix), self._texts):
            target, raw = _split(value)
            if is_of(self._task_id, raw):
                queue, about = queue_of(target, self._prefix), why_aside(raw)
                breaker, since = str(about.get("breaker") or ""), about.get("since")
                until_ms = self._client.zscore(keys.aside(breaker, self._prefix), identity)
                yield placed(
                    "set aside",
                    raw,
                    queue,
                    priority_of(target),
                    is_paused=queue in paused,
                    breaker=redaction.printable(breaker),
                    since=_moment(since) if isinstance(since, int | float) else "",
                    until="" if until_ms is None else _moment(until_ms / 1000),
                )

    def _delayed(self, paused: set[str]) -> Iterator[Placed]:
        for identity, value in search(self._client, keys.delayed_messages(self._prefix), self._texts):
            target, raw = _split(value)
            if is_of(self._task_id, raw):
                queue = queue_of(target, self._prefix)
                due_ms = self._client.zscore(keys.delayed(self._prefix), identity)
                due = "" if due_ms is None else _moment(due_ms / 1000)
                yield placed("delayed", raw, queue, priority_of(target), is_paused=queue in paused, due=due)

    def _waiting(self, queue: str, priority: int, *, is_paused: bool) -> Iterator[Placed]:
        target = self._channel.list_of(queue, priority)
        seen = set()
        for index, raw in search(self._client, target, self._texts):
            if raw not in seen and is_of(self._task_id, raw):
                seen.add(raw)
                position = max(1, self._client.llen(target) - int(index))
                yield placed("waiting", raw, queue, priority, is_paused=is_paused, position=position)

    def _in_flight(self) -> Iterator[Placed]:
        for claim_id, value in search(self._client, keys.claims(self._prefix), self._texts):
            target, raw = _split(value)
            if is_of(self._task_id, raw):
                queue = queue_of(target, self._prefix)
                yield placed("in flight", raw, queue, priority_of(target), **self._held(claim_id))

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
            if is_of(self._task_id, raw):
                taken = self._client.zscore(self._prefix + self._channel.unacked_index_key, tag)
                since = "" if taken is None else _moment(taken)
                yield placed("held by stock Celery", raw, str(routing_key), 0, since=since)

    def _dead(self) -> Iterator[Placed]:
        outbox = keys.outbox(self._prefix)
        for entry, raw in search(self._client, outbox, self._texts):
            if not is_of(self._task_id, raw):
                continue
            for _, fields in self._client.xrange(outbox, entry, entry) or ():
                told = {_text(name): _text(value) for name, value in fields.items() if name != b"raw"}
                yield dead(told, raw)


def _split(value: bytes) -> tuple[str, bytes]:
    target, raw = value.split(b"\n", 1)
    return bytes_to_str(target), raw


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""
