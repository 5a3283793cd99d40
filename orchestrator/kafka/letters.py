"""Writes what cannot be published into the outbox, as dead letters that need no Kafka to be safe."""

from __future__ import annotations

import asyncio
import os
import socket
import traceback
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from redis import Redis

from orchestrator import broker, keys, settings
from orchestrator.deadletter import event
from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.letter import class_of, message_of
from orchestrator.deadletter.naming import topic_of
from orchestrator.kafka.attempts import Failed
from orchestrator.kafka.message import Message

Fields = dict[str, str | bytes]

_MOST, _TRACEBACK = 10_000, 32_000
_ANSWER_SECONDS = 5.0
_BATCH = 500
# KEYS stream, topics; ARGV a topic that the indexer would not know ("" where there is none), then names and
# values of the entry. Returns its id. The first write is one that a full Redis allows: others may follow.
_ADD = """
redis.call('DEL', KEYS[1] .. ':none')
if ARGV[1] ~= '' then redis.call('SADD', KEYS[2], ARGV[1]) end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
"""


def letter(message: Message, failed: Failed, suffix: str) -> Fields:
    """The entry of an event's letter; `suffix` is "" where it is the fleet's own.

    The id is made once: an entry that is written twice, as the answer to the first time was lost, is one
    letter.
    """
    key = message.key or b""
    identity = b"\n".join((message.topic.encode(), key, message.value, uuid.uuid4().bytes))
    error = failed.cause or failed.error
    texts = {
        "id": sha256(identity).hexdigest(),
        "reason": failed.reason,
        "task_id": key.decode(errors="backslashreplace"),
        "task": event.TASK,
        "queue": message.topic,
        "exception": class_of(failed.error),
        "message": message_of(failed.error) if error is failed.error else failed.sentence,
        "traceback": "".join(traceback.format_exception(error)),
        "deliveries": "1",
        "attempts": str(failed.attempts),
        "worker": f"{socket.gethostname()}/{os.getpid()}",
        "died_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        event.FIELD: event.spelled(message.key),
    }
    if suffix:
        texts[event.SUFFIX] = suffix
    bounded = {name: cut(text, _TRACEBACK if name == "traceback" else _MOST) for name, text in texts.items()}
    return {**bounded, "raw": message.value}


class Outbox:
    """Adds entries to the broker's streams from an event loop, which never waits: a thread writes batches."""

    def __init__(self) -> None:
        self._pending: list[tuple[str, Mapping[str, str | bytes], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._client: tuple[int, str, Redis] | None = None

    async def write(self, fields: Mapping[str, str | bytes]) -> None:
        """Have this letter in Redis.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away; perhaps it has the letter.
        """
        await self._add(keys.outbox(settings.current().key_prefix), fields)

    async def tell(self, letter_id: str) -> None:
        """Say that this letter's event is published after all; raises as `write` does."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {"letter_id": letter_id, "outcome": event.PUBLISHED, "at": at}
        await self._add(keys.outcomes(settings.current().key_prefix), told)

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client[2].close()
            self._client = None

    async def _add(self, stream: str, fields: Mapping[str, str | bytes]) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._pending.append((stream, fields, future))
        if self._writer is None or self._writer.done() or self._writer.get_loop() is not loop:
            self._writer = loop.create_task(self._work())
        await future

    async def _work(self) -> None:
        while self._pending:
            batch, self._pending = self._pending[:_BATCH], self._pending[_BATCH:]
            try:
                await asyncio.to_thread(self._write, [(stream, fields) for stream, fields, _ in batch])
            except Exception as error:
                _settle(batch, error)
            else:
                _settle(batch, None)

    def _write(self, batch: list[tuple[str, Mapping[str, str | bytes]]]) -> None:
        client = self._connected()
        add, topics = client.register_script(_ADD), keys.letter_topics(settings.current().key_prefix)
        with client.pipeline(transaction=False) as pipeline:
            for stream, fields in batch:
                entry = [part for pair in fields.items() for part in pair]
                add(keys=[stream, topics], args=[_own_topic(fields), *entry], client=pipeline)
            pipeline.execute()

    def _connected(self) -> Redis:
        chosen, pid = settings.current(), os.getpid()
        if self._client is None or self._client[:2] != (pid, chosen.broker_url):
            client = broker.client(chosen, timeout_seconds=_ANSWER_SECONDS, retries=1)
            self._client = pid, chosen.broker_url, client
        return self._client[2]


def _own_topic(fields: Mapping[str, str | bytes]) -> str:
    suffix = fields.get(event.SUFFIX)
    return topic_of(str(fields["queue"]), str(suffix)) if suffix else ""


def _settle(batch: list[tuple[str, Any, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, _, future in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
