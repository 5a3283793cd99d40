"""Enqueues many tasks at once: messages as `apply_async` writes them, pushed by hundreds."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator import keys
from orchestrator.errors import EnqueueInterrupted, InvalidArguments
from orchestrator.task import check_arguments
from orchestrator.transport import scripts
from orchestrator.transport.collecting import Rendered, collect, is_alike
from orchestrator.transport.rendering import Row, Template

_CHUNK = 500
_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.1
_AWAY = (RedisConnectionError, RedisTimeoutError, OSError)


def enqueue_many(
    task: Any,
    rows: Iterable[Any],
    *,
    batch_id: str | None = None,
    on_progress: Callable[[int], None] | None = None,
    **options: Any,
) -> list[str]:
    """Enqueue a task once for each row, and return the tasks' ids in the rows' order.

    A row is a sequence of positional arguments, a mapping of keyword arguments, or a pair (sequence, mapping)
    of both. Options are those of `apply_async`: queue, priority, countdown, eta, expires, headers, link …

    Repeating the call with the same `batch_id` and the same rows, within a day, pushes only what was not
    pushed before, under the same ids; rows may have been added at the end.

    Where messages differ in more than their arguments (a receiver of `before_task_publish`, a route that
    looks at the arguments, compression …), each is made by `apply_async` itself, which is slower.

    Raises:
        InvalidArguments: a row does not fit the task; its chunk of 500, and what follows, were not sent.
        EnqueueInterrupted: Redis is away or full; it says how many rows were accepted, and how to go on.
    """
    batch = batch_id or uuid.uuid4().hex
    namespace = uuid.uuid5(uuid.NAMESPACE_OID, batch)
    task_ids: list[str] = []
    with task.app.producer_pool.acquire(block=True) as producer:
        for number, chunk in enumerate(_chunks(rows)):
            ids = [str(uuid.uuid5(namespace, str(len(task_ids) + at))) for at in range(len(chunk))]
            read = [_read(task, row, len(task_ids) + at) for at, row in enumerate(chunk)]
            accepted = len(task_ids)
            try:
                rendered = _render(task, producer, list(zip(ids, read, strict=True)), options)
            except (*_AWAY, OperationalError) as error:
                raise _interrupted(accepted, batch, f"Redis is away ({error})") from error
            except OutOfMemoryError as error:
                raise _interrupted(accepted, batch, "Redis is full (maxmemory)") from error
            for target, messages in rendered.items():
                _push(producer.channel, f"{batch}:{number}:{target}", target, messages, (accepted, batch))
                accepted += len(messages)
            task_ids += ids
            if on_progress:
                on_progress(len(task_ids))
    return task_ids


def _render(
    task: Any, producer: Any, rows: list[tuple[str, Row]], options: dict[str, Any]
) -> dict[str, list[Rendered]]:
    """The messages of a chunk, by the list that they go to."""
    rendered: dict[str, list[Rendered]] = {}
    template = Template(task, producer.channel, producer, options) if is_alike(task, options) else None
    for task_id, row in rows:
        if template:
            made = [Rendered(template.list, template.wait_ms, template.render(task_id, row))]
        else:
            made = collect(task, producer, task_id, row, options)
        for each in made:
            rendered.setdefault(each.list, []).append(each)
    return rendered


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(rows)
    while chunk := list(itertools.islice(remaining, _CHUNK)):
        yield chunk


def _read(task: Any, row: Any, number: int) -> Row:
    read = _arguments(row)
    if read is None:
        raise InvalidArguments(
            f"row {number + 1} must be a list of arguments or an object of named ones: {row!r}"
        )
    try:
        check_arguments(task, *read)
    except InvalidArguments as error:
        raise InvalidArguments(f"row {number + 1}: {error}") from None
    return read


def _arguments(row: Any) -> Row | None:
    if isinstance(row, Mapping):
        return (), dict(row)
    if not isinstance(row, Sequence) or isinstance(row, str | bytes):
        return None
    if isinstance(row, tuple) and len(row) == len(("args", "kwargs")):
        args, kwargs = row
        if isinstance(args, list | tuple) and isinstance(kwargs, Mapping):
            return args, dict(kwargs)
    return row, {}


def _push(channel: Any, chunk: str, target: str, messages: list[Rendered], so_far: tuple[int, str]) -> None:
    """Push one chunk; a lost reply is no reason to push it twice, nor a short absence one to give up."""
    script = scripts.load("push")
    marker = keys.batch(chunk, channel.global_keyprefix)
    names = [marker, *channel.keys.delay(), target]
    wait_ms = max(each.wait_ms for each in messages)
    pause_seconds = _FIRST_PAUSE_SECONDS
    with channel.plain_client() as client:
        push = client.register_script(script.text)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                push(keys=names, args=[keys.DAY_SECONDS, wait_ms, *(each.raw for each in messages)])
            except _AWAY as error:
                if attempt == _ATTEMPTS:
                    raise _interrupted(*so_far, f"Redis is away ({error})") from error
                time.sleep(pause_seconds)
                pause_seconds *= 2
            except OutOfMemoryError as error:
                raise _interrupted(*so_far, "Redis is full (maxmemory)") from error
            except RedisError as error:
                raise _interrupted(*so_far, f"Redis refused ({error})") from error
            else:
                return


def _interrupted(accepted: int, batch: str, why: str) -> EnqueueInterrupted:
    return EnqueueInterrupted(
        f"{why}: {accepted} rows were accepted. Repeat the call with batch_id={batch!r} and the same rows: "
        "what was accepted is not sent again"
    )
