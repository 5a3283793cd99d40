"""Writes what cannot be published into the outbox, as dead letters that need no Kafka to be safe."""

from __future__ import annotations

import asyncio
import os
import socket
import traceback
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from redis import Redis

from orchestrator import broker, keys, settings
from orchestrator.deadletter import event
from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.letter import class_of
from orchestrator.deadletter.naming import topic_of
from orchestrator.kafka.attempts import Failed
from orchestrator.kafka.message import Message

Fields = dict[str, str | bytes]
_Entry = tuple[str, Mapping[str, str | bytes], asyncio.Future[None]]

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


def identity(message: Message) -> str:
    """An id for the letter of this event, and of no other one, however alike.

    It is made once: an entry that is written twice, as the answer to the first time was lost, is one letter.
    """
    parts = (message.topic.encode(), message.key or b"", message.value, uuid.uuid4().bytes)
    return sha256(b"\n".join(parts)).hexdigest()


def letter(letter_id: str, message: Message, failed: Failed, sentence: str, suffix: str) -> Fields:
    """The entry of an event's letter; `sentence` says why, `suffix` is "" where it is the fleet's own."""
    key = message.key or b""
    texts = {
        "id": letter_id,
        "reason": failed.reason,
        "task_id": key.decode(errors="backslashreplace"),
        "task": event.TASK,
        "queue": message.topic,
        "exception": class_of(failed.error),
        "message": sentence.removeprefix(f"{type(failed.error).__name__}: "),
        "traceback": "".join(traceback.format_exception(failed.own or failed.error)),
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
    """Adds entries to the broker's streams from an event loop, which never waits: a thread writes batches.

    No task of the loop does so: whoever ends a loop cancels all its tasks, also while others still publish.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[_Entry] = []
        self._is_writing = False
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
        if self._loop is not loop:
            # Nobody waits any more for what an ended loop has left.
            self._loop, self._pending, self._is_writing = loop, [], False
        future: asyncio.Future[None] = loop.create_future()
        self._pending.append((stream, fields, future))
        if not self._is_writing:
            self._begin(loop)
        await future

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._pending = self._pending[:_BATCH], self._pending[_BATCH:]
        writing = loop.run_in_executor(None, self._write, [(stream, fields) for stream, fields, _ in batch])
        self._is_writing = True
        writing.add_done_callback(partial(self._written, batch))

    def _written(self, batch: list[_Entry], writing: asyncio.Future[list[Exception | None]]) -> None:
        self._is_writing = False
        try:
            answers = writing.result()
        except Exception as error:
            # Those behind have waited as long: they are not to wait for Redis again, batch by batch.
            batch, self._pending = batch + self._pending, []
            answers = [error] * len(batch)
        for (_, _, future), answer in zip(batch, answers, strict=True):
            _settle(future, answer)
        if self._pending:
            self._begin(writing.get_loop())

    def _write(self, batch: list[tuple[str, Mapping[str, str | bytes]]]) -> list[Exception | None]:
        """Of each entry why it is not written, or None."""
        client = self._connected()
        add, topics = client.register_script(_ADD), keys.letter_topics(settings.current().key_prefix)
        with client.pipeline(transaction=False) as pipeline:
            for stream, fields in batch:
                entry = [part for pair in fields.items() for part in pair]
                add(keys=[stream, topics], args=[_own_topic(fields), *entry], client=pipeline)
            answers = pipeline.execute(raise_on_error=False)
        return [answer if isinstance(answer, Exception) else None for answer in answers]

    def _connected(self) -> Redis:
        chosen, pid = settings.current(), os.getpid()
        if self._client is None or self._client[:2] != (pid, chosen.broker_url):
            client = broker.client(chosen, timeout_seconds=_ANSWER_SECONDS, retries=1)
            self._client = pid, chosen.broker_url, client
        return self._client[2]


def _own_topic(fields: Mapping[str, str | bytes]) -> str:
    suffix = fields.get(event.SUFFIX)
    return topic_of(str(fields["queue"]), str(suffix)) if suffix else ""


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
